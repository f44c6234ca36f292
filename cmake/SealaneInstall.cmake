# Installs the libraries, headers and programs, and what foreign builds need to find them: pkg-config and find_package(sealane).
# Everything is relocatable: a package or a DESTDIR may lie anywhere.
include(CMakePackageConfigHelpers)

install(DIRECTORY include/sealane DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(FILES base/errors.def DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/sealane)

set(libraries sealane-core)
if(NOT SEALANE_CORE_ONLY)
  list(APPEND libraries sealane)
endif()
# A static library brings its dependencies along, so its targets are a component of their own: who links the shared one needs none of them.
foreach(library IN LISTS libraries)
  string(REGEX REPLACE "^sealane-" "" name ${library})
  set_target_properties(${library}-shared PROPERTIES EXPORT_NAME ${name})
  set_target_properties(${library}-static PROPERTIES EXPORT_NAME ${name}_static)
  install(TARGETS ${library}-shared EXPORT sealaneTargets DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(TARGETS ${library}-static EXPORT sealaneStaticTargets DESTINATION ${CMAKE_INSTALL_LIBDIR})
endforeach()

# The optional backends are static only: who passes one to an engine links it.
set(backends "")
foreach(backend openssl ipsec-mb)
  if(TARGET sealane-backend-${backend})
    list(APPEND backends ${backend})
    string(REPLACE - _ name ${backend})
    set_target_properties(sealane-backend-${backend} PROPERTIES EXPORT_NAME backend_${name})
    install(TARGETS sealane-backend-${backend} EXPORT sealaneStaticTargets DESTINATION ${CMAKE_INSTALL_LIBDIR})
  endif()
endforeach()

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/sealane)
install(EXPORT sealaneTargets NAMESPACE sealane:: DESTINATION ${package_dir})
install(EXPORT sealaneStaticTargets NAMESPACE sealane:: DESTINATION ${package_dir})
configure_package_config_file(cmake/sealaneConfig.cmake.in ${CMAKE_BINARY_DIR}/sealaneConfig.cmake
  INSTALL_DESTINATION ${package_dir} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/sealaneConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/sealaneConfig.cmake ${CMAKE_BINARY_DIR}/sealaneConfigVersion.cmake
  DESTINATION ${package_dir})

set(pc_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
file(RELATIVE_PATH pc_prefix ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" pc_prefix "${pc_prefix}")
foreach(library IN LISTS libraries)
  configure_file(cmake/${library}.pc.in ${CMAKE_BINARY_DIR}/${library}.pc @ONLY)
  install(FILES ${CMAKE_BINARY_DIR}/${library}.pc DESTINATION ${pc_dir})
endforeach()

if(TARGET sealane-bench)
  # It calls the shared library as users do, and finds it wherever both were installed.
  file(RELATIVE_PATH to_libraries ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR})
  set_target_properties(sealane-bench PROPERTIES INSTALL_RPATH "$ORIGIN/${to_libraries}")
  install(TARGETS sealane-bench RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()

install(FILES LICENSE README.md SECURITY.md CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES docs/FORMAT.md DESTINATION ${CMAKE_INSTALL_DOCDIR} OPTIONAL)
