#include "blocking_driver.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <polyio/io/pieces.hpp>
#include <polyio/os/descriptor.hpp>

#include "iovec.hpp"

namespace polyio {
namespace {

// Runs `call` until it succeeds, fails, or is interrupted for good.
template <class Call>
std::int64_t until_ended(const BlockedCall& blocked, Call call) noexcept {
  for (;;) {
    if (blocked.interrupted.load()) return -ECANCELED;
    const std::int64_t result = call();
    if (result >= 0) return result;
    if (errno != EINTR) return -errno;
  }
}

std::int64_t wait_until_ready(int fd, short events, const BlockedCall& blocked) noexcept {
  return until_ended(blocked, [&] {
    pollfd entry{fd, events, 0};
    return static_cast<std::int64_t>(::poll(&entry, 1, -1));
  });
}

ssize_t receive_some(int fd, const Op& op, bool wait) noexcept {
  const ssize_t count = ::recv(fd, op.data, op.size, wait ? 0 : MSG_DONTWAIT);
  if (count >= 0 || errno != ENOTSOCK) [[likely]]
    return count;
  return os::read_some(fd, {op.data, op.size}, wait);
}

ssize_t send_some(int fd, std::span<const iovec> parts) noexcept {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts.data());
  message.msg_iovlen = parts.size();
  const ssize_t count = ::sendmsg(fd, &message, MSG_NOSIGNAL);
  if (count >= 0 || errno != ENOTSOCK) [[likely]]
    return count;
  return os::write_some(fd, parts, true);
}

// connect(2) goes on when a signal interrupts it, so the rest is waited for with poll(2).
std::int64_t connect_blocking(int fd, const os::Address& address, const BlockedCall& blocked) {
  if (::connect(fd, address.data(), address.size()) == 0) return 0;
  if (errno != EINTR) return -errno;
  const std::int64_t waited = wait_until_ready(fd, POLLOUT, blocked);
  return waited < 0 ? waited : -os::pending_error(fd);
}

}  // namespace

std::unique_ptr<Scheduler> BlockingDriver::make_scheduler() {
  auto baton = std::make_unique<Baton>(io());
  baton_ = baton.get();
  return baton;
}

int BlockingDriver::descriptor(Handle handle) const noexcept {
  POLYIO_ASSERT(slots_.holds(handle.slot, handle.generation));
  return slots_[handle.slot].get();
}

Result<Handle> BlockingDriver::adopt(int socket) {
  os::UniqueFd fd(socket);
  if (auto set = os::set_nonblocking(socket, false); !set) return fail(set.error());
  return open_slot(std::move(fd));
}

Result<Handle> BlockingDriver::adopt_descriptor(int fd) {
  auto own = os::in_mode(os::UniqueFd(fd), os::Blocking::yes);
  if (!own) return fail(own.error());
  return open_slot(std::move(*own));
}

Result<Handle> BlockingDriver::watch(int fd) {
  auto copy = duplicate(fd);
  if (!copy) return fail(copy.error());
  return open_slot(std::move(*copy));
}

Handle BlockingDriver::open_slot(os::UniqueFd fd) {
  const auto index = static_cast<std::uint32_t>(fd.get());
  const std::uint32_t generation = slots_.take(index);
  slots_[index] = std::move(fd);
  return {index, generation};
}

Result<os::UniqueFd> BlockingDriver::release(Handle handle) {
  POLYIO_ASSERT(slots_.holds(handle.slot, handle.generation));
  return slots_.give_back(handle.slot);
}

bool BlockingDriver::start(Op& op) {
  if (op.kind == OpKind::receive && op.leases && !buffers_.lend(op, io())) return false;
  const int fd = descriptor(op.handle);
  BlockedCall call{::pthread_self()};
  op.sleeper = &call;
  op.progressed(monotonic_now());  // the job's turn may have begun long ago
  const bool draining = io().drains(op);
  baton_->put_down();
  const std::int64_t result = perform(op, fd, call, draining);
  baton_->take_up(job_of(op));
  if (call.signalled) Timekeeper::instance().release(call);
  if (op.kind == OpKind::receive && op.leases && result <= 0) buffers_.give_back(op.buffer);
  op.result = result;
  return true;
}

std::int64_t BlockingDriver::perform(Op& op, int fd, const BlockedCall& call,
                                     bool draining) noexcept {
  switch (op.kind) {
    case OpKind::receive: {
      // Draining, what would wait is the end.
      auto count = until_ended(call, [&] { return receive_some(fd, op, !draining); });
      if (count == -ECANCELED) {  // asked to end before it began; what has arrived is not lost
        const auto there = receive_some(fd, op, false);
        if (there > 0) count = there;
      }
      return draining && count == -EAGAIN ? 0 : count;
    }
    case OpKind::accept:
      return until_ended(call, [&] { return ::accept4(fd, nullptr, nullptr, SOCK_CLOEXEC); });
    case OpKind::connect:
      return connect_blocking(fd, *static_cast<const os::Address*>(op.address), call);
    case OpKind::receive_from:
      return until_ended(call, [&] { return ::recvmsg(fd, op.message, MSG_TRUNC); });
    case OpKind::send_to: {
      const int flags = static_cast<int>(op.size) | MSG_NOSIGNAL;
      return until_ended(call, [&] { return ::sendmsg(fd, op.message, flags); });
    }
    case OpKind::ready: return std::min<std::int64_t>(wait_until_ready(fd, POLLIN, call), 0);
    default: break;
  }
  const std::size_t total = total_of(op);
  std::array<Part, 64> room;
  while (op.moved < total) {
    const std::int64_t count =
        until_ended(call, [&] { return send_some(fd, as_iovec(rest_of(op, room))); });
    if (count < 0) return count;
    op.moved += static_cast<std::size_t>(count);
    if (op.moved < total) op.progressed(monotonic_now());
  }
  return static_cast<std::int64_t>(op.moved);
}

// A receive that waited for a buffer. Not true: its result has to go through complete(), for a
// deadline may have ended the call.
bool BlockingDriver::retry(Op& op) {
  if (op.cancel_requested) {
    io().complete(op, -ECANCELED);
  } else if (start(op)) {
    io().complete(op, op.result);
  }
  return false;
}

void BlockingDriver::cancel(Op& op) {
  if (op.kind == OpKind::receive && buffers_.forget(op)) return io().complete(op, -ECANCELED);
  auto& call = *static_cast<BlockedCall*>(op.sleeper);
  call.interrupted.store(true);
  call.signalled = true;
  Timekeeper::instance().interrupt(call);
}

}  // namespace polyio
