# Every library comes as a Debian 12 package (packages.txt). llhttp is packaged as sources.
find_package(Threads REQUIRED)
find_package(fmt 9 REQUIRED)
find_package(simdjson REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(uring REQUIRED IMPORTED_TARGET liburing)
pkg_check_modules(nettle REQUIRED IMPORTED_TARGET nettle)
find_package(wslay CONFIG REQUIRED)
find_package(cereal CONFIG REQUIRED) # header only, in the public headers of room serial
# Linked as plain -ldw: libdw.pc asks for the packages of every compression it can read.
find_library(POLYIO_LIBDW dw REQUIRED)
find_path(POLYIO_LIBDW_INCLUDE elfutils/libdwfl.h REQUIRED)

set(LLHTTP_DIR /usr/share/llhttp CACHE PATH "sources of llhttp (package node-llhttp)")
set(LLHTTP_INCLUDE /usr/share/include/llhttp CACHE PATH "header of llhttp (package node-llhttp)")
add_library(polyio_llhttp OBJECT ${LLHTTP_DIR}/llhttp.c ${LLHTTP_DIR}/api.c ${LLHTTP_DIR}/http.c)
target_include_directories(polyio_llhttp SYSTEM PUBLIC $<BUILD_INTERFACE:${LLHTTP_INCLUDE}>)
set_target_properties(polyio_llhttp PROPERTIES POSITION_INDEPENDENT_CODE ON)
