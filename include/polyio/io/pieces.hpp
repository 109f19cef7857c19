// What a send still has to do: for drivers, which send the parts of a list in several steps.
#pragma once

#include <array>
#include <polyio/io/op.hpp>
#include <span>

namespace polyio {

// The parts that are not sent yet: all but the first `moved` bytes of op.parts. At most 64 at a
// time; `room` holds them unless op.parts can be used as it is.
inline std::span<const Part> rest_of(const Op& op, std::array<Part, 64>& room) noexcept {
  if (op.moved == 0 && op.size <= room.size()) return {op.parts, op.size};
  std::size_t skip = op.moved, count = 0;
  for (std::size_t i = 0; i < op.size && count < room.size(); ++i) {
    const std::span part(op.parts[i].data, op.parts[i].size);
    if (skip >= part.size()) {
      skip -= part.size();
      continue;
    }
    room[count++] = part.subspan(skip);
    skip = 0;
  }
  return {room.data(), count};
}

inline std::size_t total_of(const Op& op) noexcept {
  std::size_t total = 0;
  for (std::size_t i = 0; i < op.size; ++i) total += op.parts[i].size;
  return total;
}

}  // namespace polyio
