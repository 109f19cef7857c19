// UringBuffers: the ring of receive buffers that the kernel picks from when bytes arrive, so that a
// waiting receive holds none. Each receive gets a buffer of its own, large enough for large
// messages: consuming one bit by bit (IOU_PBUF_RING_INC) would cut a small message in two wherever
// a buffer ends. The ring is used in turn, so it is kept as small as the load allows, or the
// buffers would go cold: it grows when half are away at once. A buffer goes back to the ring when
// no lease holds it.
//
// When nearly all are held the ring is short: it gets 4 KiB buffers that are for transit only. What
// comes in one is copied into memory of its size, which counts for a large buffer where one is free
// and is else the connection's own (io/lease_pool.hpp has the rule), and the transit buffer is the
// kernel's again at once. So the kernel always has some. The ring is short until a quarter of the
// large ones is free. Not thread-safe.
#pragma once

#include <liburing.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <polyio/io/lease_pool.hpp>
#include <vector>

namespace polyio {

class UringBuffers {
 public:
  static constexpr std::uint16_t group = 0;
  static constexpr std::uint32_t large_size =
      64 * 1024;  // of which pages that are written to count

  // `limit` large ones. Ids: large ones, those for transit, then those that are copied to.
  explicit UringBuffers(unsigned limit)
      : limit_(limit),
        transit_(std::clamp(limit / 4, 16u, 256u)),
        ring_entries_(std::bit_ceil(limit + transit_)),
        own_(limit + transit_),
        large_and_transit_(limit + transit_) {}
  ~UringBuffers();
  UringBuffers(const UringBuffers&) = delete;
  UringBuffers& operator=(const UringBuffers&) = delete;

  // Registers the ring with the kernel. Returns 0 or a negated errno.
  int open(io_uring& ring);
  // The `count` bytes of one completion; the buffer is held then.
  std::byte* taken(std::uint32_t id, std::uint32_t count);
  bool for_transit(std::uint32_t id) const noexcept { return id >= limit_; }
  // Copies what came in a transit buffer, whose id becomes that of the copy. Throws std::bad_alloc,
  // and the transit buffer is still held.
  std::byte* copy(std::uint32_t& id, std::uint32_t count, Handle connection);
  // To be called when all completions of a turn have been looked at. True: the ring is short from
  // now on.
  bool replenish();
  // Ends the hold.
  void give_back(std::uint32_t id) noexcept {
    if (id >= limit_ || wanted_ == 0) [[unlikely]]
      return give_back_rarely(id);
    end_hold(id);
  }
  // All ids are below it.
  std::uint32_t end_of_ids() const noexcept { return own_.end_of_ids(); }
  // Buffers that the kernel can pick from now.
  unsigned provided() const noexcept { return provided_; }
  // The kernel has none although there could be more: the next replenish() may get memory for them.
  bool lacking() const noexcept { return provided_ == 0 && !spare_.empty(); }

  // While this is so a receive shall ask for one completion only, and first whether it may_lend().
  bool short_of_buffers() const noexcept { return short_; }
  // Ends the shortage, if enough have come back.
  void relax() noexcept;
  bool may_lend(Handle connection) const noexcept {
    return large_free() > 0 || !own_.out(connection);
  }
  // The receives that may not.
  OwnBuffers& own() noexcept { return own_; }
  const OwnBuffers& own() const noexcept { return own_; }
  std::size_t large_held() const noexcept;
  // Copies that count for large ones.
  std::size_t copies() const noexcept { return static_cast<std::size_t>(copies_); }

 private:
  std::size_t ring_bytes() const noexcept { return ring_entries_ * sizeof(io_uring_buf); }
  struct Buffer {
    std::unique_ptr<std::byte[]> memory;
    bool held = false;  // by a lease or a queued piece
    bool in_ring = false;
  };
  void provide(std::uint32_t id) noexcept;
  void refill();
  bool become_short() noexcept;
  void end_hold(std::uint32_t id) noexcept;
  void give_back_rarely(std::uint32_t id) noexcept;
  long large_free() const noexcept { return static_cast<long>(spare_.size()) - copies_; }

  const unsigned limit_;         // large ones
  const unsigned transit_;       // those for transit
  const unsigned ring_entries_;  // a place for each
  io_uring_buf* entries_ = nullptr;
  std::uint16_t tail_ = 0;
  unsigned provided_ = 0;
  unsigned wanted_ = 0;  // buffers in the ring, when none is away; 0 while it is short
  bool short_ = false;
  long copies_ = 0;  // that count for large buffers
  OwnBuffers own_;
  std::vector<Buffer> large_and_transit_;
  std::vector<std::uint32_t> spare_;  // large ones without memory
};

}  // namespace polyio
