# Walks arch/kernels.def: each kernel of the target's architecture is one source file with its own compiler flags.
string(TOLOWER "${CMAKE_SYSTEM_PROCESSOR}" SEALANE_ARCH)
if(SEALANE_ARCH MATCHES "^(x86_64|amd64)$" AND CMAKE_SIZEOF_VOID_P EQUAL 8)
  set(SEALANE_ARCH x86_64)
elseif(SEALANE_ARCH MATCHES "^(aarch64|arm64)$")
  set(SEALANE_ARCH aarch64)
else()
  set(SEALANE_ARCH any)
endif()

# sealane_core_objects(TARGET KERNELS_DEF [EXTRA_KERNEL_DIR]): the object library of base, arch and engine with the kernels that
# KERNELS_DEF lists, sources looked for in EXTRA_KERNEL_DIR too.  Tests build a second core from another table; the libraries never do.
function(sealane_core_objects target kernels_def)
  # Without optimisation every vector lives on the stack, and round keys would stay there.
  set(optimized "$<$<CONFIG:Debug>:-O2>")
  set(sources
    base/errno.c base/error.c base/io.c base/random.c base/secret.c base/temporary.c base/wipe.c
    arch/cpu.c arch/cpu_${SEALANE_ARCH}.c arch/kernel.c
    engine/backend.c engine/batch.c engine/batch_check.c engine/column.c engine/ctr.c engine/engine.c engine/key.c engine/selftest.c engine/stream.c engine/tables.c engine/thresholds.c engine/version.c)
  if(SEALANE_ARCH STREQUAL x86_64)
    list(APPEND sources arch/expand_x86_64.c arch/probe_x86_64.c)
    set_source_files_properties(${CMAKE_SOURCE_DIR}/arch/expand_x86_64.c PROPERTIES
      COMPILE_OPTIONS "-maes;-msse4.1;${optimized}")
  elseif(SEALANE_ARCH STREQUAL aarch64)
    list(APPEND sources arch/probe_aarch64.c)
    set_source_files_properties(${CMAKE_SOURCE_DIR}/arch/probe_aarch64.c PROPERTIES COMPILE_OPTIONS "-march=armv8-a+crypto")
  endif()
  list(TRANSFORM sources PREPEND ${CMAKE_SOURCE_DIR}/)

  get_filename_component(table_dir ${kernels_def} DIRECTORY)
  file(STRINGS ${kernels_def} rows REGEX "^KERNEL\\(")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${kernels_def})
  foreach(row IN LISTS rows)
    if(NOT row MATCHES "^KERNEL\\(([a-z0-9_]+), \"([a-z0-9-]+)\", ([a-z0-9_]+), \"([^\"]*)\"\\)$")
      message(FATAL_ERROR "malformed row in ${kernels_def}: ${row}")
    endif()
    set(id ${CMAKE_MATCH_1})
    set(architecture ${CMAKE_MATCH_3})
    separate_arguments(flags UNIX_COMMAND "${CMAKE_MATCH_4}")
    if(architecture STREQUAL SEALANE_ARCH OR architecture STREQUAL any)
      set(file ${CMAKE_SOURCE_DIR}/arch/kernel_${id}.c)
      if(NOT EXISTS ${file})
        set(file ${ARGV2}/kernel_${id}.c)
      endif()
      list(APPEND sources ${file})
      set_source_files_properties(${file} PROPERTIES COMPILE_OPTIONS "${flags};${optimized}")
    endif()
  endforeach()

  add_library(${target} OBJECT ${sources})
  target_compile_definitions(${target} PRIVATE
    SL_ARCH_x86_64=$<STREQUAL:${SEALANE_ARCH},x86_64>
    SL_ARCH_aarch64=$<STREQUAL:${SEALANE_ARCH},aarch64>
    SEALANE_HAVE_EXPLICIT_BZERO=$<BOOL:${SEALANE_HAVE_EXPLICIT_BZERO}>)
  target_include_directories(${target} PRIVATE ${table_dir})
  sealane_internal_includes(${target})
endfunction()
