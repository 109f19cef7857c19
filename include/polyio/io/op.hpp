// Op: one operation that a job waits for, as the drivers see it. A job waits for one thing at a
// time, so its Op is part of it and costs no allocation. The rule: between Driver::start and the
// operation's own terminal completion nobody but the driver touches it; a cancel is only a request
// for that completion.
#pragma once

#include <atomic>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <polyio/base/clock.hpp>
#include <span>
#include <string_view>

struct msghdr;

namespace polyio {

class Driver;

// A socket of one driver: a slot, and which of the slot's successive owners. Stale handles are
// noticed.
struct Handle {
  constexpr Handle() noexcept = default;
  constexpr Handle(std::uint32_t at, std::uint32_t owner) noexcept : slot(at), generation(owner) {}

  std::uint32_t slot = 0;
  std::uint32_t generation : 31 = 0;
  std::uint32_t kept_in_drain : 1 = 0;  // a drain ends no receive: Stream::keep_in_drain
  // The same owner of the same slot.
  friend bool operator==(Handle a, Handle b) noexcept {
    return a.slot == b.slot && a.generation == b.generation;
  }
};

// A part of what is sent: bytes of the caller's. Not initialised, because drivers keep an array of
// them on the stack for every send.
struct Part {
  Part() = default;
  Part(std::span<const std::byte> bytes) noexcept : data(bytes.data()), size(bytes.size()) {}
  Part(std::string_view text) noexcept : Part(std::as_bytes(std::span(text))) {}

  const std::byte* data;
  std::size_t size;
};

enum class OpKind : std::uint8_t {
  none,
  accept,
  connect,
  receive,
  send,
  receive_from,
  send_to,
  ready,  // what Driver::watch() gave a handle for is readable
  sleep,  // this and what follows are not the driver's
  park,
  shielded_park,
  join,
  yield
};

enum class OpState : std::uint8_t {
  idle,     // no operation
  pending,  // started; the driver, a timer or a waker will end it
  retry,    // its descriptor became ready; it is tried again just before its job would be resumed
  done,     // `result` holds
};

struct Op {
  OpKind kind = OpKind::none;
  OpState state = OpState::idle;
  bool cancel_requested = false;
  bool leases = false;       // receive: into a buffer of the driver's, not the caller's
  std::uint32_t buffer = 0;  // receive, leased: the buffer's id
  Handle handle;             // the socket
  union {
    std::byte* data = nullptr;  // receive: where to; leased: where the bytes are
    const Part* parts;          // send: `size` parts, which stay valid until the end
    const void* address;        // connect: an os::Address
    msghdr* message;            // receive_from, send_to; stays valid until the end
  };
  std::size_t size = 0;  // receive: bytes of room; send: number of parts; send_to: flags
  union {
    std::size_t moved = 0;  // send: bytes taken by the kernel so far; connect: 1, it has begun
    Driver* lender;         // receive, leased: whose buffer it is; nullptr: the Io's driver's
  };
  std::int64_t result = 0;  // >= 0 bytes or a socket; < 0 a negated errno
  TimePoint started{};      // or the last progress, which the idle timeout counts from

  // Both for the blocking driver too, where a send goes on beside the Io's timers.
  void progressed(TimePoint now) noexcept {
    std::atomic_ref(started).store(now, std::memory_order_relaxed);
  }
  TimePoint last_progress() const noexcept {
    return std::atomic_ref(const_cast<TimePoint&>(started)).load(std::memory_order_relaxed);
  }
  union {
    std::coroutine_handle<> resume = {};  // where the job goes on
    void* sleeper;                        // blocking driver: the thread that waits for it
  };
};
static_assert(sizeof(Op) <= 80);

}  // namespace polyio
