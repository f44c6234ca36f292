# A core built from the real table plus rows whose kernels are wrong, which the self-test must leave out, and one that this CPU
# is to avoid: the next kernel serves.  Only this test build has these rows; the libraries are built from arch/kernels.def.
set(table ${CMAKE_CURRENT_BINARY_DIR}/broken/kernels.def)
file(READ ${CMAKE_CURRENT_SOURCE_DIR}/broken/row.def broken_row)
file(READ ${CMAKE_SOURCE_DIR}/arch/kernels.def real_rows)
file(CONFIGURE OUTPUT ${table} CONTENT "${broken_row}${real_rows}" @ONLY)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
  ${CMAKE_SOURCE_DIR}/arch/kernels.def ${CMAKE_CURRENT_SOURCE_DIR}/broken/row.def)

sealane_core_objects(sealane_broken_objects ${table} ${CMAKE_CURRENT_SOURCE_DIR}/broken)
add_library(sealane-broken STATIC $<TARGET_OBJECTS:sealane_broken_objects>)
target_link_libraries(sealane-broken PRIVATE Threads::Threads)
sealane_test(test_broken core sealane-broken ${CMAKE_CURRENT_SOURCE_DIR}/broken/test_broken.c)

if(NOT SEALANE_CORE_ONLY)
  add_library(sealane-broken-full STATIC $<TARGET_OBJECTS:sealane_broken_objects> $<TARGET_OBJECTS:sealane_pool_objects>
    $<TARGET_OBJECTS:sealane_kms_objects> $<TARGET_OBJECTS:sealane_envelope_objects>)
  add_executable(sealane-broken-program $<TARGET_OBJECTS:sealane>)
  set_target_properties(sealane-broken-program PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR})
  target_link_libraries(sealane-broken-program PRIVATE sealane-broken-full Threads::Threads OpenSSL::Crypto
    PkgConfig::JANSSON PkgConfig::HWLOC)
  sealane_run(broken_program script COMMAND ${BASH} ${CMAKE_CURRENT_SOURCE_DIR}/broken/program.sh
    ${CMAKE_CROSSCOMPILING_EMULATOR} $<TARGET_FILE:sealane-broken-program>)
endif()
