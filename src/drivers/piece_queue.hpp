// PieceQueue: what io_uring's multishot receives brought before a receive asked for it: a list per
// connection of pieces, each in a buffer that it holds and by whose id it is named. Not
// thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <polyio/io/op.hpp>
#include <vector>

#include "uring_buffers.hpp"

namespace polyio {

class PieceQueue {
 public:
  static constexpr std::uint32_t none = UINT32_MAX;

  // One connection's, empty at first.
  struct List {
    std::uint32_t first = none, last = none;
    std::uint32_t count = 0;
    bool empty() const noexcept { return first == none; }
  };

  PieceQueue(UringBuffers& buffers, std::uint32_t ids) : buffers_(buffers), pieces_(ids) {}

  // Makes room for pieces in buffers with ids below `ids`. Throws std::bad_alloc.
  void make_room(std::uint32_t ids) {
    if (pieces_.size() < ids) pieces_.resize(2 * std::size_t{ids});
  }
  // Appends `size` bytes at `data`, which lie in `buffer`.
  void push(List& list, std::byte* data, std::uint32_t size, std::uint32_t buffer) noexcept;
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
  };
  // Takes the first piece out and returns its buffer.
  std::uint32_t pop(List& list) noexcept;

  UringBuffers& buffers_;
  std::vector<Piece> pieces_;  // by their buffers' ids
};

}  // namespace polyio
