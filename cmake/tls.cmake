# polyio_tls: room tls, with OpenSSL, which only it needs.
find_package(OpenSSL 3.0 REQUIRED COMPONENTS SSL Crypto)
file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/tls/*.cpp)
add_library(polyio_tls STATIC ${sources})
add_library(polyio::tls ALIAS polyio_tls)
set_target_properties(polyio_tls PROPERTIES EXPORT_NAME tls)
target_link_libraries(polyio_tls
  PUBLIC polyio
  PRIVATE $<BUILD_INTERFACE:polyio_options> OpenSSL::SSL OpenSSL::Crypto)
target_precompile_headers(polyio_tls REUSE_FROM polyio)
