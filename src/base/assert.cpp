#include <cstdio>
#include <cstdlib>
#include <polyio/base/assert.hpp>

namespace polyio {

void assertion_failed(const char* expression, const char* file, int line) noexcept {
  std::fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, expression);
  std::abort();
}

void misused(const char* rule, const std::source_location& where) noexcept {
  std::fprintf(stderr, "polyio: misuse: %s (%s:%u)\n", rule, where.file_name(),
               static_cast<unsigned>(where.line()));
  std::abort();
}

}  // namespace polyio
