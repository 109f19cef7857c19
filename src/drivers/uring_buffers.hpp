// UringBuffers: the ring of receive buffers that the kernel picks from when bytes arrive, so that a
// waiting receive holds none. Each receive gets a buffer of its own, large enough for large
// messages: consuming one bit by bit (IOU_PBUF_RING_INC) would cut a small message in two wherever
// a buffer ends. The ring is used in turn, so it is kept as small as the load allows, or the
// buffers would go cold: it grows when half are away at once. A buffer goes back to the ring when
// no lease holds it. At most 1,024, 64 MiB if all have been full. Not thread-safe.
#pragma once

#include <liburing.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace polyio {

class UringBuffers {
 public:
  static constexpr std::uint16_t group = 0;
  static constexpr unsigned limit = 1024;  // buffers in all: ids 0 … limit - 1

  UringBuffers() = default;
  ~UringBuffers();
  UringBuffers(const UringBuffers&) = delete;
  UringBuffers& operator=(const UringBuffers&) = delete;

  // Registers the ring with the kernel. Returns 0 or a negated errno.
  int open(io_uring& ring);
  // The `count` bytes of one completion; the buffer is held then.
  std::byte* taken(std::uint16_t id, std::uint32_t count);
  // To be called when all completions of a turn have been looked at.
  void replenish();
  // Ends the hold.
  void give_back(std::uint16_t id) noexcept;
  // Buffers that the kernel can pick from now.
  unsigned provided() const noexcept { return provided_; }
  // The kernel has none although there could be more: the next replenish() may get memory for them.
  bool lacking() const noexcept { return provided_ == 0 && !spare_.empty(); }

 private:
  struct Buffer {
    std::unique_ptr<std::byte[]> memory;
    bool held = false;  // by a lease or a queued piece
    bool in_ring = false;
  };
  void provide(std::uint16_t id) noexcept;
  void refill();

  io_uring_buf* entries_ = nullptr;
  std::uint16_t tail_ = 0;
  unsigned provided_ = 0;
  unsigned wanted_ = 0;  // buffers in the ring, when none is away
  std::vector<Buffer> buffers_;
  std::vector<std::uint16_t> spare_;  // ids without memory
};

}  // namespace polyio
