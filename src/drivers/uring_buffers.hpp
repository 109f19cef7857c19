// UringBuffers: the ring of receive buffers that the kernel picks from when bytes arrive, so that a
// waiting receive holds none. Where the kernel can, a buffer is consumed bit by bit
// (IOU_PBUF_RING_INC, Linux 6.12): small messages share one buffer, large ones get a whole one, and
// a few buffers stay hot for all connections. A buffer goes back to the ring when the kernel is
// done with it and no lease holds it; a held one is replaced, up to a limit. Not thread-safe.
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

  UringBuffers() = default;
  ~UringBuffers();
  UringBuffers(const UringBuffers&) = delete;
  UringBuffers& operator=(const UringBuffers&) = delete;

  // Registers the ring with the kernel. Returns 0 or a negated errno.
  int open(io_uring& ring);
  // The bytes of one completion: `count` of them, at what is returned; the buffer is then held once
  // more.
  std::byte* taken(std::uint16_t id, std::uint32_t count, bool kernel_keeps_it);
  // Ends one hold.
  void give_back(std::uint16_t id) noexcept;
  // Buffers that the kernel can pick from now.
  unsigned provided() const noexcept { return provided_; }
  bool incremental() const noexcept { return incremental_; }
  unsigned held() const noexcept { return held_; }

 private:
  struct Buffer {
    std::unique_ptr<std::byte[]> memory;
    std::uint32_t used = 0;   // bytes the kernel has filled
    std::uint32_t holds = 0;  // leases and queued pieces
    bool in_ring = false;
  };
  void provide(std::uint16_t id) noexcept;
  void retire(std::uint16_t id) noexcept;
  void refill();

  io_uring_buf* entries_ = nullptr;
  std::uint16_t tail_ = 0;
  unsigned provided_ = 0;
  unsigned held_ = 0;
  bool incremental_ = false;
  std::uint32_t buffer_size_ = 0;
  unsigned wanted_ = 0;  // buffers to keep in the ring
  std::vector<Buffer> buffers_;
  std::vector<std::uint16_t> spare_;  // ids without memory
};

}  // namespace polyio
