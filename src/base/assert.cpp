#include <execinfo.h>

#include <cstdio>
#include <cstdlib>
#include <polyio/base/assert.hpp>

namespace polyio {

void assertion_failed(const char* expression, const char* file, int line) noexcept {
  std::fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, expression);
  std::abort();
}

void misused(const char* rule) noexcept {
  std::fprintf(stderr, "polyio: misuse: %s. The calls that led here, for addr2line(1):\n", rule);
  std::fflush(stderr);
  void* calls[16];
  ::backtrace_symbols_fd(calls, ::backtrace(calls, 16), 2);
  std::abort();
}

}  // namespace polyio
