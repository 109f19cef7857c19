# What `cmake --install` puts where: headers, libpolyio.a, the program, and the files by which
# find_package(polyio) and pkg-config find them. Everything is relative to the prefix.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(POLYIO_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/polyio)

install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/polyio DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        FILES_MATCHING PATTERN "*.hpp")
install(TARGETS polyio EXPORT polyioTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT polyioTargets NAMESPACE polyio:: DESTINATION ${POLYIO_CMAKE_DIR})
if(POLYIO_PROTO)
  install(TARGETS polyio_proto EXPORT polyioProtoTargets ARCHIVE
          DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(EXPORT polyioProtoTargets NAMESPACE polyio:: DESTINATION ${POLYIO_CMAKE_DIR})
endif()
if(POLYIO_TLS)
  install(TARGETS polyio_tls EXPORT polyioTlsTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(EXPORT polyioTlsTargets NAMESPACE polyio:: DESTINATION ${POLYIO_CMAKE_DIR})
endif()
if(POLYIO_APPS)
  # OPTIONAL: the library can be built and installed alone.
  install(PROGRAMS ${PROJECT_BINARY_DIR}/apps/polyio/polyio
          DESTINATION ${CMAKE_INSTALL_BINDIR} OPTIONAL)
endif()
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
# For the users' own coroutines (docs/handlers.md).
install(PROGRAMS ${PROJECT_SOURCE_DIR}/scripts/co_await_forms.py
        DESTINATION ${CMAKE_INSTALL_DATADIR}/polyio)

configure_package_config_file(
  ${PROJECT_SOURCE_DIR}/cmake/polyioConfig.cmake.in ${PROJECT_BINARY_DIR}/polyioConfig.cmake
  INSTALL_DESTINATION ${POLYIO_CMAKE_DIR})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/polyioConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/polyioConfig.cmake
              ${PROJECT_BINARY_DIR}/polyioConfigVersion.cmake
        DESTINATION ${POLYIO_CMAKE_DIR})

# The way from the .pc file's folder back to the prefix, so that an installed tree can be moved.
file(RELATIVE_PATH POLYIO_PC_PREFIX
     ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
foreach(name polyio polyio-proto polyio-tls)
  configure_file(${PROJECT_SOURCE_DIR}/cmake/${name}.pc.in ${PROJECT_BINARY_DIR}/${name}.pc @ONLY)
  if(name STREQUAL "polyio" OR (name STREQUAL "polyio-proto" AND POLYIO_PROTO)
     OR (name STREQUAL "polyio-tls" AND POLYIO_TLS))
    install(FILES ${PROJECT_BINARY_DIR}/${name}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
  endif()
endforeach()
