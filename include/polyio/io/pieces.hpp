// What the drivers over real sockets share: listening, opening, and sending the rest of a list of
// pieces.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <polyio/io/op.hpp>
#include <span>

namespace polyio {

// The pieces of a send that are not sent yet: all but the first `moved` bytes of op.parts. At most
// 64 at a time; `room` holds them unless op.parts can be used as it is.
inline std::span<const iovec> rest_of(const Op& op, std::array<iovec, 64>& room) noexcept {
  if (op.moved == 0 && op.size <= room.size()) return {op.parts, op.size};
  std::size_t skip = op.moved, count = 0;
  for (std::size_t i = 0; i < op.size && count < room.size(); ++i) {
    const iovec& part = op.parts[i];
    if (skip >= part.iov_len) {
      skip -= part.iov_len;
      continue;
    }
    room[count++] = {static_cast<char*>(part.iov_base) + skip, part.iov_len - skip};
    skip = 0;
  }
  return {room.data(), count};
}

inline std::size_t total_of(const Op& op) noexcept {
  std::size_t total = 0;
  for (std::size_t i = 0; i < op.size; ++i) total += op.parts[i].iov_len;
  return total;
}

}  // namespace polyio
