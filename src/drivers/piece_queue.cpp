#include "piece_queue.hpp"

#include <algorithm>
#include <cstring>

namespace polyio {

void PieceQueue::push(List& list, std::byte* data, std::uint32_t size,
                      std::uint32_t buffer) noexcept {
  pieces_[buffer] = {data, size, none};
  (list.empty() ? list.first : pieces_[list.last].next) = buffer;
  list.last = buffer;
  ++list.count;
}

std::int64_t PieceQueue::deliver(List& list, Op& op) noexcept {
  Piece& piece = pieces_[list.first];
  if (op.leases) {
    op.data = piece.data;
    op.buffer = pop(list);
    return piece.size;
  }
  const auto count = static_cast<std::uint32_t>(std::min<std::size_t>(op.size, piece.size));
  std::memcpy(op.data, piece.data, count);
  if (count == piece.size) {
    buffers_.give_back(pop(list));
  } else {
    piece.data += count;
    piece.size -= count;
  }
  return count;
}

std::uint32_t PieceQueue::pop(List& list) noexcept {
  const std::uint32_t buffer = list.first;
  --list.count;
  list.first = pieces_[buffer].next;
  return buffer;
}

void PieceQueue::drop(List& list) noexcept {
  while (!list.empty()) buffers_.give_back(pop(list));
}

}  // namespace polyio
