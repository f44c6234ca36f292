# sealane_internal_includes(TARGET): the public headers, and the source tree by layer ("base/wipe.h").
function(sealane_internal_includes target)
  target_include_directories(${target} PRIVATE
    ${CMAKE_SOURCE_DIR}/include ${CMAKE_BINARY_DIR}/include ${CMAKE_SOURCE_DIR})
endfunction()

# sealane_layer(TARGET SOURCES...): one layer's object library.
function(sealane_layer target)
  add_library(${target} OBJECT ${ARGN})
  sealane_internal_includes(${target})
endfunction()

# sealane_library(NAME MAP OBJECTS ... LINK ...): NAME-static and NAME-shared from the same objects; libNAME.a and libNAME.so export
# what cmake/MAP says.
function(sealane_library name map)
  cmake_parse_arguments(arg "" "" "OBJECTS;LINK" ${ARGN})
  foreach(kind static shared)
    string(TOUPPER ${kind} type)
    set(target ${name}-${kind})
    add_library(${target} ${type})
    foreach(objects IN LISTS arg_OBJECTS)
      target_sources(${target} PRIVATE $<TARGET_OBJECTS:${objects}>)
    endforeach()
    set_target_properties(${target} PROPERTIES OUTPUT_NAME ${name} LINKER_LANGUAGE C
      VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR})
    target_link_libraries(${target} PRIVATE ${arg_LINK})
    target_include_directories(${target} PUBLIC
      $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include> $<BUILD_INTERFACE:${CMAKE_BINARY_DIR}/include>
      $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  endforeach()
  target_link_options(${name}-shared PRIVATE -Wl,--as-needed -Wl,--version-script=${CMAKE_SOURCE_DIR}/cmake/${map})
  if(NOT SEALANE_SANITIZE) # clang leaves a sanitizer's runtime to the program
    target_link_options(${name}-shared PRIVATE -Wl,--no-undefined)
  endif()
  set_target_properties(${name}-shared PROPERTIES LINK_DEPENDS ${CMAKE_SOURCE_DIR}/cmake/${map})
endfunction()
