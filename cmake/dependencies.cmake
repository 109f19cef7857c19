# Every library comes as a Debian 12 package (packages.txt).
find_package(Threads REQUIRED)
find_package(fmt 9 REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(uring REQUIRED IMPORTED_TARGET liburing)
find_package(cereal CONFIG REQUIRED) # header only, in the public headers of room serial
# Linked as plain -ldw: libdw.pc asks for the packages of every compression it can read.
find_library(POLYIO_LIBDW dw REQUIRED)
find_path(POLYIO_LIBDW_INCLUDE elfutils/libdwfl.h REQUIRED)
