# What can be switched, and the flags every target of ours is built with.
option(POLYIO_PROTO "build the protocols: HTTP, WebSocket, lines" ON)
option(POLYIO_TLS "build TLS, with OpenSSL" ON)
option(POLYIO_APPS "build the polyio program" ${PROJECT_IS_TOP_LEVEL})
option(POLYIO_EXAMPLES "build the examples" ${PROJECT_IS_TOP_LEVEL})
option(POLYIO_TESTS "build the tests" ${PROJECT_IS_TOP_LEVEL})
option(POLYIO_INSTALL "generate install rules" ${PROJECT_IS_TOP_LEVEL})
option(POLYIO_BENCH "build the servers that polyio is compared with" OFF)
option(POLYIO_FUZZ "build the libFuzzer targets (clang only)" OFF)
set(POLYIO_SANITIZE "" CACHE STRING "sanitizers to build with: address,undefined or thread")

if(PROJECT_IS_TOP_LEVEL)
  set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
  if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE Release)
  endif()
  find_program(CCACHE ccache)
  if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
    # Without this ccache leaves alone what uses a precompiled header.
    set(CMAKE_CXX_COMPILER_LAUNCHER env CCACHE_SLOPPINESS=pch_defines,time_macros ${CCACHE})
  endif()
else()
  # Inside another project every file is compiled from its includes alone. scripts/consumer builds
  # that, so an include that the precompiled header hides is found there.
  set(CMAKE_DISABLE_PRECOMPILE_HEADERS ON)
endif()

# The headers of others that most files include: reading them costs half of compiling a small file.
# Ours are not here, so that a change in one compiles only what includes it.
set(POLYIO_PRECOMPILED
  <algorithm> <array> <atomic> <cerrno> <chrono> <coroutine> <cstddef> <cstdint> <cstdlib> <cstring>
  <deque> <expected> <functional> <map> <memory> <mutex> <optional> <span> <string> <string_view>
  <system_error> <thread> <utility> <variant> <vector> <fmt/format.h>)

add_library(polyio_options INTERFACE)
target_compile_features(polyio_options INTERFACE cxx_std_23)
target_compile_options(polyio_options INTERFACE
  -Wall -Wextra -Wno-missing-field-initializers -Wshadow -Wnon-virtual-dtor -Wold-style-cast
  -Wcast-qual -Woverloaded-virtual
  $<$<CONFIG:Release>:-g1>)
if(NOT CMAKE_DISABLE_PRECOMPILE_HEADERS AND CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  # With the time in it the precompiled header is another one after every build: nothing that uses
  # it would be found in ccache.
  target_compile_options(polyio_options INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:SHELL:-Xclang -fno-pch-timestamp>)
endif()
if(POLYIO_SANITIZE)
  add_compile_options(
    -fsanitize=${POLYIO_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  if(POLYIO_SANITIZE MATCHES "undefined")
    # Its check of vptrs opens a pipe to see whether memory can be read: a process that has no
    # descriptor left, as some tests make it, is told that every object is invalid.
    add_compile_options(-fno-sanitize=vptr)
  endif()
  add_link_options(-fsanitize=${POLYIO_SANITIZE})
endif()
if(POLYIO_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
