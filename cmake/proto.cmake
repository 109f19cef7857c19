# polyio_proto: room proto (HTTP, WebSocket, lines), with the packages that only it needs. llhttp is
# packaged as sources: its objects go into libpolyio_proto.a, so a program that links it needs none.
find_package(simdjson REQUIRED)
find_package(ZLIB REQUIRED)
pkg_check_modules(nettle REQUIRED IMPORTED_TARGET nettle)
find_package(wslay CONFIG REQUIRED)
set(LLHTTP_DIR /usr/share/llhttp CACHE PATH "sources of llhttp (package node-llhttp)")
set(LLHTTP_INCLUDE /usr/share/include/llhttp CACHE PATH "header of llhttp (package node-llhttp)")
add_library(polyio_llhttp OBJECT ${LLHTTP_DIR}/llhttp.c ${LLHTTP_DIR}/api.c ${LLHTTP_DIR}/http.c)
target_include_directories(polyio_llhttp SYSTEM PUBLIC $<BUILD_INTERFACE:${LLHTTP_INCLUDE}>)
set_target_properties(polyio_llhttp PROPERTIES POSITION_INDEPENDENT_CODE ON)

file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/proto/*.cpp)
add_library(polyio_proto STATIC ${sources} $<TARGET_OBJECTS:polyio_llhttp>)
add_library(polyio::proto ALIAS polyio_proto)
set_target_properties(polyio_proto PROPERTIES EXPORT_NAME proto)
target_link_libraries(polyio_proto
  PUBLIC polyio
  PRIVATE $<BUILD_INTERFACE:polyio_options> wslay simdjson::simdjson PkgConfig::nettle
  ZLIB::ZLIB)
target_include_directories(polyio_proto SYSTEM PRIVATE $<BUILD_INTERFACE:${LLHTTP_INCLUDE}>)
target_precompile_headers(polyio_proto REUSE_FROM polyio)
