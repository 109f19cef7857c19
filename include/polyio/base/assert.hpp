// Asserts that stay on in every build: a broken invariant ends the process with file and line
// rather than going on with wrong state. For the programmer's mistakes only, never for input.
#pragma once

#include <source_location>

namespace polyio {
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line) noexcept;
// Ends the process with the rule that the caller at `where` has broken.
[[noreturn]] void misused(const char* rule, const std::source_location& where) noexcept;
}  // namespace polyio

#define POLYIO_ASSERT(expression)      \
  (__builtin_expect(!!(expression), 1) \
       ? void(0)                       \
       : ::polyio::assertion_failed(#expression, __FILE__, __LINE__))

// The same for a rule of the interface, in words that a user of the library understands. `where` is
// the user's place where it is known.
#define POLYIO_RULE(expression, rule, where) \
  (__builtin_expect(!!(expression), 1) ? void(0) : ::polyio::misused(rule, where))
