#include "uring_buffers.hpp"

#include <sys/mman.h>

#include <atomic>
#include <cerrno>
#include <polyio/base/assert.hpp>

namespace polyio {
namespace {

constexpr std::uint16_t incremental_flag =
    2;  // IOU_PBUF_RING_INC, newer than liburing 2.3's header
constexpr unsigned ring_entries = 2048;
constexpr unsigned limit = 1024;  // buffers in all: ids 0 … limit - 1
constexpr std::size_t ring_bytes = ring_entries * sizeof(io_uring_buf);

// The tail lies in the first entry's last two bytes (struct io_uring_buf_ring, whose flexible array
// starts at the wrong offset in C++).
std::uint16_t* tail_of(io_uring_buf* entries) noexcept {
  return reinterpret_cast<std::uint16_t*>(reinterpret_cast<char*>(entries) +
                                          offsetof(io_uring_buf, resv));
}

int try_register(io_uring& ring, void* memory, std::uint16_t flags) {
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<std::uint64_t>(memory);
  registration.ring_entries = ring_entries;
  registration.bgid = UringBuffers::group;
  registration.pad = flags;
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
  int error = try_register(ring, memory, incremental_flag);
  incremental_ = error == 0;
  if (error == -EINVAL) error = try_register(ring, memory, 0);
  if (error) return error;
  buffer_size_ = incremental_ ? 64 * 1024 : 16 * 1024;
  wanted_ = incremental_ ? 32 : 256;
  buffers_.resize(limit);
  for (unsigned id = limit; id-- > 0;) spare_.push_back(static_cast<std::uint16_t>(id));
  refill();
  return 0;
}

void UringBuffers::provide(std::uint16_t id) noexcept {
  Buffer& buffer = buffers_[id];
  buffer.used = 0;
  buffer.in_ring = true;
  io_uring_buf& entry = entries_[tail_ & (ring_entries - 1)];
  entry.addr = reinterpret_cast<std::uint64_t>(buffer.memory.get());
  entry.len = buffer_size_;
  entry.bid = id;
  ++tail_;
  std::atomic_ref(*tail_of(entries_)).store(tail_, std::memory_order_release);
  ++provided_;
}

void UringBuffers::refill() {
  while (provided_ < wanted_ && !spare_.empty()) {
    const std::uint16_t id = spare_.back();
    spare_.pop_back();
    buffers_[id].memory.reset(new std::byte[buffer_size_]);
    provide(id);
  }
}

// Neither the kernel nor a lease has it: back into the ring, or, when that is full enough, to the
// heap.
void UringBuffers::retire(std::uint16_t id) noexcept {
  if (provided_ < wanted_) return provide(id);
  buffers_[id].memory.reset();
  spare_.push_back(id);
}

std::byte* UringBuffers::taken(std::uint16_t id, std::uint32_t count, bool kernel_keeps_it) {
  Buffer& buffer = buffers_[id];
  POLYIO_ASSERT(buffer.in_ring && buffer.used + count <= buffer_size_);
  std::byte* const bytes = buffer.memory.get() + buffer.used;
  buffer.used += count;
  if (buffer.holds++ == 0) ++held_;
  if (!kernel_keeps_it) {
    buffer.in_ring = false;
    --provided_;
    refill();
  }
  return bytes;
}

void UringBuffers::give_back(std::uint16_t id) noexcept {
  Buffer& buffer = buffers_[id];
  POLYIO_ASSERT(buffer.holds > 0);
  if (--buffer.holds > 0) return;
  --held_;
  if (!buffer.in_ring) retire(id);
}

}  // namespace polyio
