# Flags that every file is compiled with.  Instruction-set flags are per kernel: see SealaneKernels.cmake.
add_compile_options(
  -Wall -Wextra -Wshadow -Wpointer-arith -Wcast-qual -Wwrite-strings -Wundef -Wvla
  $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes> $<$<COMPILE_LANGUAGE:C>:-Wmissing-prototypes>
  $<$<COMPILE_LANGUAGE:C>:-Wold-style-definition>
  -fstack-protector-strong -fno-common)
if(SEALANE_WERROR)
  add_compile_options(-Werror)
endif()
if(SEALANE_SANITIZE)
  add_compile_options(-fsanitize=${SEALANE_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${SEALANE_SANITIZE})
endif()
if(SEALANE_COVERAGE)
  add_compile_options(--coverage -fprofile-update=atomic)
  add_link_options(--coverage)
endif()
if(CMAKE_BUILD_TYPE STREQUAL Release AND NOT SEALANE_SANITIZE)
  add_compile_definitions(_FORTIFY_SOURCE=2)
endif()
add_link_options(-Wl,-z,relro,-z,now -Wl,-z,noexecstack)

# Release builds keep no assertions; every other build type does.
set(CMAKE_C_FLAGS_RELEASE "-O3 -DNDEBUG")
set(CMAKE_CXX_FLAGS_RELEASE "-O3 -DNDEBUG")

include(CheckSymbolExists)
set(CMAKE_REQUIRED_DEFINITIONS -D_GNU_SOURCE)
check_symbol_exists(explicit_bzero string.h SEALANE_HAVE_EXPLICIT_BZERO)
unset(CMAKE_REQUIRED_DEFINITIONS)
