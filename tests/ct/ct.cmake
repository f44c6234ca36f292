# SEALANE_CT: constant-time check of the objects as they are shipped.
find_program(VALGRIND valgrind REQUIRED)
add_executable(ct_check ${CMAKE_CURRENT_SOURCE_DIR}/ct/ct_check.c)
set_target_properties(ct_check PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR})
sealane_internal_includes(ct_check)
target_link_libraries(ct_check PRIVATE sealane-core-static)
sealane_run(ct ct COMMAND ${BASH} ${CMAKE_CURRENT_SOURCE_DIR}/ct/run.sh $<TARGET_FILE:ct_check>)
