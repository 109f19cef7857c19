// Asserts that stay on in every build: a broken invariant ends the process with file and line
// rather than going on with wrong state. For the programmer's mistakes only, never for input.
#pragma once

namespace polyio {
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line) noexcept;
// Ends the process; says which rule of the interface was broken, and which calls led there.
[[noreturn]] void misused(const char* rule) noexcept;
}  // namespace polyio

#define POLYIO_ASSERT(expression)      \
  (__builtin_expect(!!(expression), 1) \
       ? void(0)                       \
       : ::polyio::assertion_failed(#expression, __FILE__, __LINE__))

// The same for a rule of the interface, in words that a user of the library understands.
#define POLYIO_RULE(expression, rule) \
  (__builtin_expect(!!(expression), 1) ? void(0) : ::polyio::misused(rule))
