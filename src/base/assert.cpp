#include <cstdio>
#include <cstdlib>
#include <polyio/base/assert.hpp>

namespace polyio {

void assertion_failed(const char* expression, const char* file, int line) noexcept {
  std::fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, expression);
  std::abort();
}

}  // namespace polyio
