#include "piece_queue.hpp"

#include <algorithm>
#include <cstring>
#include <new>

namespace polyio {

bool PieceQueue::push(List& list, std::byte* data, std::uint32_t size,
                      std::uint16_t buffer) noexcept try {
  const std::uint32_t index = pieces_.take();
  pieces_[index] = {data, size, none, buffer};
  if (list.empty()) {
    list.first = index;
  } else {
    pieces_[list.last].next = index;
  }
  list.last = index;
  list.bytes += size;
  return true;
} catch (const std::bad_alloc&) {
  return false;
}

std::int64_t PieceQueue::deliver(List& list, Op& op) noexcept {
  Piece& piece = pieces_[list.first];
  if (op.leases) {
    op.data = piece.data;
    op.buffer = piece.buffer;
    const std::uint32_t count = piece.size;
    pop(list);
    return count;
  }
  const auto count = static_cast<std::uint32_t>(std::min<std::size_t>(op.size, piece.size));
  std::memcpy(op.data, piece.data, count);
  if (count == piece.size) {
    buffers_.give_back(piece.buffer);
    pop(list);
  } else {
    piece.data += count;
    piece.size -= count;
    list.bytes -= count;
  }
  return count;
}

void PieceQueue::pop(List& list) noexcept {
  const std::uint32_t index = list.first;
  list.bytes -= pieces_[index].size;
  list.first = pieces_[index].next;
  if (list.empty()) list.last = none;
  pieces_.give_back(index);
}

void PieceQueue::drop(List& list) noexcept {
  while (!list.empty()) {
    buffers_.give_back(pieces_[list.first].buffer);
    pop(list);
  }
}

}  // namespace polyio
