// The table as the wrappers see it: a number for each of its lines, and what the next call of one
// is to do.
#pragma once

#include "faults.hpp"

namespace polyio::torture {

enum LineIndex : std::uint8_t {
#define CALL(result, name, ...) line_##name,
#define SHORT(result, name, ...) line_##name,
#define OWN(name, ...) line_##name,
#define OP(name, ...) line_op_##name,
#define SAFE(name, reason)
#include "calls.def"
#undef CALL
#undef SHORT
#undef OWN
#undef OP
#undef SAFE
  line_count
};

// The next call's fault: an errno, made_short, or 0.
int next(LineIndex line) noexcept;
// The fault that next() returned can't happen to that descriptor.
void cannot_be() noexcept;
// Whether the calling thread's calls are counted.
bool watching() noexcept;

}  // namespace polyio::torture
