// LeasePool: the receive buffers that leases lend, and what a receive gets when they have run out:
// the same under every model. The rule: while a large buffer (64 KiB) is free a receive takes one.
// When none is, a connection gets a small one of its own (4 KiB). Only a connection that has that
// one out already waits: until it comes back, or a large one does. So those who hold leases and do
// not give them back hold up themselves, not the others. Memory at most: the limit's 64 MiB and
// 4 KiB per connection; nothing for one that holds no lease. For drivers; not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <polyio/io/io.hpp>
#include <vector>

namespace polyio {

// The small buffers, and the receives that wait. Ids begin at `first_id`. A buffer may outlive its
// connection, whose slot another one has by then.
class OwnBuffers {
 public:
  static constexpr std::uint32_t none = UINT32_MAX;
  explicit OwnBuffers(std::uint32_t first_id) noexcept : first_id_(first_id) {}

  // The connection's own buffer is out: lent, or filled ahead of a receive.
  bool out(Handle connection) const noexcept;
  // A buffer of `size` bytes: the connection's own; or, where that is out, one more, which only
  // what comes ahead of a receive may take, or what no lease will hold. Throws std::bad_alloc and
  // has changed nothing then.
  std::uint32_t take(Handle connection, std::size_t size);
  // The same, but no connection's: it counts for a large one.
  std::uint32_t take_for_large(std::size_t size);
  std::byte* data(std::uint32_t id) const noexcept { return buffers_[id - first_id_].memory.get(); }
  // Frees it, and has the receive tried again that waits for it. True: it counted for a large one.
  bool give_back(std::uint32_t id) noexcept;

  // The receive, whose connection's own buffer is out, is tried again (Driver::retry) when it has
  // come back, or when wake_one() finds that it has waited longest.
  void wait(Op& op) noexcept;
  bool nobody_waits() const noexcept { return waiting_.empty(); }
  void wake_one() noexcept;
  void wake_all() noexcept {
    while (!nobody_waits()) wake_one();
  }
  // For one that is cancelled. False: it does not wait here.
  bool forget(Op& op) noexcept;
  // It is in wait(). Not for one that is ready to be retried.
  bool waits(const Op& op) const noexcept;

  std::size_t lent() const noexcept { return lent_; }
  // The id after the largest so far.
  std::uint32_t end_of_ids() const noexcept {
    return first_id_ + static_cast<std::uint32_t>(buffers_.size());
  }

 private:
  struct Buffer {
    std::unique_ptr<std::byte[]> memory;
    Handle holder;
    bool for_large = false;
    std::uint32_t next_free = none;
  };
  struct Connection {
    std::uint32_t buffer = none;  // its own
    Job* waiting = nullptr;
  };
  std::uint32_t take_entry(std::size_t size);
  void wake(Job& job) noexcept;

  const std::uint32_t first_id_;
  std::uint32_t first_free_ = none;
  std::size_t lent_ = 0;
  std::vector<Buffer> buffers_;
  std::vector<Connection> connections_;  // by slot; empty until the large buffers first run out
  List<Job, ReadyTag> waiting_;
};

class LeasePool {
 public:
  // How large, how many of them, and how many stay allocated while none is used.
  struct Sizes {
    std::size_t large = 64 * 1024, own = 4 * 1024;
    std::uint32_t limit = lease_limit, keep = 16;
  };
  struct Buffer {
    std::byte* data = nullptr;
    std::uint32_t id = OwnBuffers::none;
    std::uint32_t size = 0;
  };

  explicit LeasePool(Sizes sizes) noexcept : sizes_(sizes), own_(sizes.limit) {}

  // A buffer to receive into, for a lease of `connection`; without data: it has to wait(). Last in,
  // first out, so that one hot buffer serves all in turn. Throws std::bad_alloc and has changed
  // nothing then.
  Buffer take(Handle connection, Io& io) {
    if (first_kept_ == OwnBuffers::none) [[unlikely]]
      return take_another(connection, io);
    const std::uint32_t id = first_kept_;
    Large& buffer = large_[id];
    first_kept_ = buffer.next_free;
    --kept_;
    return {buffer.memory.get(), id, static_cast<std::uint32_t>(sizes_.large)};
  }
  // The same for a receive, into whose op it goes; false: it waits.
  bool lend(Op& op, Io& io) {
    const Buffer buffer = take(op.handle, io);
    if (!buffer.data) {
      wait(op);
      return false;
    }
    op.buffer = buffer.id;
    op.data = buffer.data;
    op.size = buffer.size;
    return true;
  }
  // A small one, though the connection's own may be out: for bytes that no lease will hold.
  Buffer take_own(Handle connection);
  Buffer at(std::uint32_t id) const noexcept;
  void give_back(std::uint32_t id) noexcept {
    if (id >= sizes_.limit || kept_ >= sizes_.keep || !own_.nobody_waits()) [[unlikely]] {
      return give_back_rarely(id);
    }
    keep(id);
  }
  // For a receive for which there was no buffer: OwnBuffers says when it is tried again.
  void wait(Op& op) noexcept { own_.wait(op); }
  bool forget(Op& op) noexcept { return own_.forget(op); }
  // Has every receive that waits tried again.
  void wake_all() noexcept { own_.wake_all(); }
  bool waits(const Op& op) const noexcept { return own_.waits(op); }
  // Buffers that are out.
  LeaseCounts counts() const noexcept { return {held(), own_.lent()}; }

 private:
  struct Large {
    std::unique_ptr<std::byte[]> memory;
    std::uint32_t next_free = OwnBuffers::none;
  };
  Buffer take_another(Handle connection, Io& io);
  void give_back_rarely(std::uint32_t id) noexcept;
  std::size_t held() const noexcept { return large_.size() - kept_ - bare_count_; }
  void keep(std::uint32_t id) noexcept {
    large_[id].next_free = first_kept_;
    first_kept_ = id;
    ++kept_;
  }

  const Sizes sizes_;
  std::vector<Large> large_;
  std::uint32_t first_kept_ = OwnBuffers::none;  // free, with memory
  std::uint32_t kept_ = 0;
  std::uint32_t first_bare_ = OwnBuffers::none;  // free, without
  std::uint32_t bare_count_ = 0;
  OwnBuffers own_;
};

}  // namespace polyio
