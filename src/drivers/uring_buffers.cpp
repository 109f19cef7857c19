#include "uring_buffers.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <new>
#include <polyio/base/assert.hpp>

#include "uring_ring.hpp"

namespace polyio {
namespace {

constexpr unsigned ring_entries = 2048;
constexpr std::uint32_t buffer_size = 64 * 1024;  // of which only pages that are written to count
// Or small messages, all at their buffers' beginnings, would share a few sets of the caches.
constexpr std::size_t stagger = 48;
constexpr unsigned wanted_first = 16;
constexpr std::size_t ring_bytes = ring_entries * sizeof(io_uring_buf);

// The tail lies in the first entry's last two bytes (struct io_uring_buf_ring, whose flexible array
// starts at the wrong offset in C++).
std::uint16_t* tail_of(io_uring_buf* entries) noexcept {
  return reinterpret_cast<std::uint16_t*>(reinterpret_cast<char*>(entries) +
                                          offsetof(io_uring_buf, resv));
}

int register_ring(io_uring& ring, void* memory) {
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<std::uint64_t>(memory);
  registration.ring_entries = ring_entries;
  registration.bgid = UringBuffers::group;
  return io_uring_register_buf_ring(&ring, &registration, 0);
}

}  // namespace

UringBuffers::~UringBuffers() {
  if (entries_) ::munmap(entries_, ring_bytes);
}

int UringBuffers::open(io_uring& ring) {
  void* memory =
      ::mmap(nullptr, ring_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return -errno;
  entries_ = static_cast<io_uring_buf*>(memory);
  const auto try_it = [&] { return register_ring(ring, memory); };
  if (const int error = uring::once_memory_is_back(try_it)) return error;
  buffers_.resize(limit);
  wanted_ = wanted_first;
  spare_.reserve(limit);
  for (unsigned id = limit; id-- > 0;) spare_.push_back(static_cast<std::uint16_t>(id));
  refill();
  return 0;
}

void UringBuffers::provide(std::uint16_t id) noexcept {
  Buffer& buffer = buffers_[id];
  buffer.in_ring = true;
  io_uring_buf& entry = entries_[tail_ & (ring_entries - 1)];
  entry.addr = reinterpret_cast<std::uint64_t>(buffer.memory.get());
  entry.len = buffer_size;
  entry.bid = id;
  ++tail_;
  std::atomic_ref(*tail_of(entries_)).store(tail_, std::memory_order_release);
  ++provided_;
}

void UringBuffers::refill() {
  while (provided_ < wanted_ && !spare_.empty()) {
    const std::uint16_t id = spare_.back();
    buffers_[id].memory.reset(new (std::nothrow) std::byte[buffer_size + stagger]);
    if (!buffers_[id].memory) return;  // replenish() tries again
    spare_.pop_back();
    provide(id);
  }
}

std::byte* UringBuffers::taken(std::uint16_t id, std::uint32_t count) {
  Buffer& buffer = buffers_[id];
  POLYIO_ASSERT(buffer.in_ring && !buffer.held && count <= buffer_size);
  buffer.in_ring = false;
  buffer.held = true;
  --provided_;
  return buffer.memory.get();
}

void UringBuffers::replenish() {
  if (provided_ >= wanted_ / 2) return;
  wanted_ = std::min(wanted_ * 2, limit);
  refill();
}

void UringBuffers::give_back(std::uint16_t id) noexcept {
  Buffer& buffer = buffers_[id];
  POLYIO_ASSERT(buffer.held);
  buffer.held = false;
  if (provided_ < wanted_) return provide(id);
  buffer.memory.reset();
  spare_.push_back(id);
}

}  // namespace polyio
