// PieceQueue: what io_uring's multishot receives brought before a receive asked for it: a list per
// connection of pieces, each in a buffer of the ring's, which it holds. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <polyio/base/slots.hpp>
#include <polyio/io/op.hpp>

#include "uring_buffers.hpp"

namespace polyio {

class PieceQueue {
 public:
  static constexpr std::uint32_t none = UINT32_MAX;

  // One connection's, empty at first.
  struct List {
    std::uint32_t first = none, last = none;
    std::uint32_t bytes = 0;
    bool empty() const noexcept { return first == none; }
  };

  explicit PieceQueue(UringBuffers& buffers) noexcept : buffers_(buffers) {}

  // Appends `size` bytes at `data`, which lie in `buffer`. False: no memory, and the buffer is
  // still the caller's.
  bool push(List& list, std::byte* data, std::uint32_t size, std::uint16_t buffer) noexcept;
  // Hands the first piece to a receive and returns how many bytes; copies where the caller brought
  // its own room, and keeps what does not fit. Not of an empty list.
  std::int64_t deliver(List& list, Op& op) noexcept;
  // Gives all buffers back.
  void drop(List& list) noexcept;

 private:
  struct Piece {
    std::byte* data = nullptr;
    std::uint32_t size = 0;
    std::uint32_t next = none;
    std::uint16_t buffer = 0;
  };
  void pop(List& list) noexcept;

  UringBuffers& buffers_;
  Slots<Piece> pieces_;
};

}  // namespace polyio
