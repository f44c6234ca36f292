# Cross toolchains: Debian's gcc for `machine`, whose libraries are in directories named `multiarch`, from the sysroot that
# tools/sysroot.sh makes; tests under qemu-user.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR ${machine})
set(CMAKE_C_COMPILER ${triplet}-gcc)
set(CMAKE_CXX_COMPILER ${triplet}-g++)

set(SEALANE_SYSROOT "${CMAKE_CURRENT_LIST_DIR}/../build/sysroot-${machine}" CACHE PATH "What tools/sysroot.sh made")
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES SEALANE_SYSROOT)
get_filename_component(sysroot "${SEALANE_SYSROOT}" ABSOLUTE)
set(libraries ${sysroot}/usr/lib/${multiarch})

# Not CMAKE_SYSROOT: the C library and its start files are the cross compiler's own.
set(CMAKE_FIND_ROOT_PATH ${sysroot})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_LIBRARY_ARCHITECTURE ${multiarch})
set(link "-L${libraries} -Wl,-rpath-link,${libraries}:${sysroot}/lib/${multiarch}")
set(CMAKE_EXE_LINKER_FLAGS_INIT "${link}")
set(CMAKE_SHARED_LINKER_FLAGS_INIT "${link}")
set(CMAKE_C_FLAGS_INIT "-isystem ${sysroot}/usr/include/${multiarch} -isystem ${sysroot}/usr/include")
set(ENV{PKG_CONFIG_LIBDIR} ${libraries}/pkgconfig)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${sysroot})

# The system under emulation: the sysroot for the libraries, the cross compiler's for libc and the loader.
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-${machine} -L /usr/${triplet}
  -E LD_LIBRARY_PATH=${libraries}:${sysroot}/lib/${multiarch})
