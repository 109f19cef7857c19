#include "uring_buffers.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <new>
#include <polyio/base/assert.hpp>

#include "uring_ring.hpp"

namespace polyio {
namespace {

constexpr std::uint32_t transit_size = 4 * 1024;
// Or small messages, all at their buffers' beginnings, would share a few sets of the caches.
constexpr std::size_t stagger = 48;
constexpr unsigned wanted_first = 16;

// The tail lies in the first entry's last two bytes (struct io_uring_buf_ring, whose flexible array
// starts at the wrong offset in C++).
std::uint16_t* tail_of(io_uring_buf* entries) noexcept {
  return reinterpret_cast<std::uint16_t*>(reinterpret_cast<char*>(entries) +
                                          offsetof(io_uring_buf, resv));
}

int register_ring(io_uring& ring, void* memory, unsigned entries) {
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<std::uint64_t>(memory);
  registration.ring_entries = entries;
  registration.bgid = UringBuffers::group;
  return io_uring_register_buf_ring(&ring, &registration, 0);
}

}  // namespace

UringBuffers::~UringBuffers() {
  if (entries_) ::munmap(entries_, ring_bytes());
}

int UringBuffers::open(io_uring& ring) {
  POLYIO_ASSERT(limit_ > 0 && ring_entries_ <= 32768);
  void* memory =
      ::mmap(nullptr, ring_bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return -errno;
  entries_ = static_cast<io_uring_buf*>(memory);
  const auto try_it = [&] { return register_ring(ring, memory, ring_entries_); };
  if (const int error = uring::once_memory_is_back(try_it)) return error;
  wanted_ = std::min(wanted_first, limit_);
  spare_.reserve(limit_);
  for (unsigned id = limit_; id-- > 0;) spare_.push_back(id);
  refill();
  return 0;
}

void UringBuffers::provide(std::uint32_t id) noexcept {
  Buffer& buffer = large_and_transit_[id];
  buffer.in_ring = true;
  io_uring_buf& entry = entries_[tail_ & (ring_entries_ - 1)];
  entry.addr = reinterpret_cast<std::uint64_t>(buffer.memory.get());
  entry.len = for_transit(id) ? transit_size : large_size;
  entry.bid = static_cast<std::uint16_t>(id);
  ++tail_;
  std::atomic_ref(*tail_of(entries_)).store(tail_, std::memory_order_release);
  ++provided_;
}

void UringBuffers::refill() {
  while (provided_ < wanted_ && !spare_.empty()) {
    const std::uint32_t id = spare_.back();
    Buffer& buffer = large_and_transit_[id];
    buffer.memory.reset(new (std::nothrow) std::byte[large_size + stagger]);
    if (!buffer.memory) return;  // replenish() tries again
    spare_.pop_back();
    provide(id);
  }
}

std::byte* UringBuffers::taken(std::uint32_t id, std::uint32_t count) {
  Buffer& buffer = large_and_transit_[id];
  POLYIO_ASSERT(buffer.in_ring && !buffer.held && count <= large_size);
  buffer.in_ring = false;
  buffer.held = true;
  --provided_;
  return buffer.memory.get();
}

std::byte* UringBuffers::copy(std::uint32_t& id, std::uint32_t count, Handle connection) {
  const bool for_large = large_free() > 0;
  const std::uint32_t to = for_large ? own_.take_for_large(count) : own_.take(connection, count);
  copies_ += for_large;
  std::byte* const data = own_.data(to);
  std::memcpy(data, large_and_transit_[id].memory.get(), count);
  give_back(id);
  id = to;
  return data;
}

bool UringBuffers::replenish() {
  if (2 * provided_ >= wanted_) return false;  // always so while it is short
  wanted_ = std::min(wanted_ * 2, limit_);
  refill();
  return spare_.empty() && provided_ <= limit_ / 16 && become_short();
}

bool UringBuffers::become_short() noexcept {
  for (std::uint32_t id = limit_; id < limit_ + transit_; ++id) {
    Buffer& buffer = large_and_transit_[id];
    if (buffer.in_ring || buffer.held) continue;
    buffer.memory.reset(new (std::nothrow) std::byte[transit_size]);
    if (buffer.memory) provide(id);
  }
  if (provided_ == 0) return false;  // no memory: tried again with the next turn
  wanted_ = 0;
  short_ = true;
  return true;
}

void UringBuffers::relax() noexcept {
  if (large_free() < static_cast<long>(limit_ / 4)) return;
  short_ = false;
  wanted_ = std::max(limit_ / 8, 1u);
  refill();
  own_.wake_all();
}

void UringBuffers::end_hold(std::uint32_t id) noexcept {
  Buffer& buffer = large_and_transit_[id];
  POLYIO_ASSERT(buffer.held);
  buffer.held = false;
  if (provided_ < wanted_) return provide(id);
  buffer.memory.reset();
  spare_.push_back(id);
}

void UringBuffers::give_back_rarely(std::uint32_t id) noexcept {
  if (id >= limit_ + transit_) {
    if (!own_.give_back(id)) return;
    --copies_;
  } else if (for_transit(id)) {
    Buffer& buffer = large_and_transit_[id];
    buffer.held = false;
    if (short_) return provide(id);
    return buffer.memory.reset();
  } else {
    end_hold(id);
  }
  own_.wake_one();
}

std::size_t UringBuffers::large_held() const noexcept {
  std::size_t held = static_cast<std::size_t>(copies_);
  for (const Buffer& buffer : large_and_transit_) held += buffer.held;
  return held;
}

}  // namespace polyio
