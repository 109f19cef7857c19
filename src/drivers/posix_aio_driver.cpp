#include "posix_aio_driver.hpp"

#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <polyio/base/sanitizers.hpp>
#include <polyio/os/socket.hpp>
#include <system_error>
#include <utility>

namespace polyio {
namespace {

// How long an idle helper thread stays: glibc's own choice. Where one has to start another it calls
// malloc, which ThreadSanitizer can't bear from a thread that it does not know; but if none is ever
// idle, our thread starts them all.
constexpr int idle_seconds = POLYIO_TSAN ? -1 : 1;

void set_send_limit(int fd, timeval limit) noexcept {
  (void)::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

Result<int> type_of(int fd) {
  int type = 0;
  socklen_t size = sizeof type;
  if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0) return fail(errno);
  return type;
}

}  // namespace

PosixAioDriver::PosixAioDriver() : SocketDriver(os::Blocking::yes) {
  if (!signal_.problem().empty()) {
    throw std::system_error(EBUSY, std::generic_category(), signal_.problem());
  }
  aio::keep_idle_helpers(idle_seconds);
  polled_.push_back({mailbox_.fd(), POLLIN, 0});
  polled_slots_.push_back(none);
}

PosixAioDriver::~PosixAioDriver() {
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = slots_[i];
    if (slot.fd >= 0 && !slot.closing) close({i, slot.generation});
  }
  if (in_flight_ == 0) return;
  enter();
  leave();
  POLYIO_ASSERT(in_flight_ == 0);
}

void PosixAioDriver::enter() {
  sigset_t ours;
  sigemptyset(&ours);
  sigaddset(&ours, aio::completion_signal());
  ::pthread_sigmask(SIG_BLOCK, &ours, &outside_);
  while_waiting_ = outside_;
  sigdelset(&while_waiting_, aio::completion_signal());
}

void PosixAioDriver::leave() noexcept {
  const auto closing = [](const Slot& slot) { return slot.closing; };
  while (std::ranges::any_of(slots_, closing)) wait(never);
  ::pthread_sigmask(SIG_SETMASK, &outside_, nullptr);
}

PosixAioDriver::Slot& PosixAioDriver::slot_of(Handle handle) noexcept {
  POLYIO_ASSERT(handle.slot < slots_.size());
  Slot& slot = slots_[handle.slot];
  POLYIO_ASSERT(slot.fd >= 0 && !slot.closing && slot.generation == handle.generation);
  return slot;
}

const PosixAioDriver::Slot& PosixAioDriver::slot_of(Handle handle) const noexcept {
  return const_cast<PosixAioDriver&>(*this).slot_of(handle);
}

// What a slot may need later is asked for here, so that neither a wait nor a close can fail.
Handle PosixAioDriver::open_slot(os::UniqueFd fd) {
  if (free_slots_.empty()) {
    slots_.emplace_back();
    free_slots_.reserve(slots_.capacity());
    polled_.reserve(slots_.capacity() + 1);
    polled_slots_.reserve(slots_.capacity() + 1);
    free_slots_.push_back(static_cast<std::uint32_t>(slots_.size() - 1));
  }
  const std::uint32_t index = free_slots_.back();
  free_slots_.pop_back();
  slots_[index].fd = fd.release();
  return {index, slots_[index].generation};
}

Result<Handle> PosixAioDriver::adopt_listener(int socket, bool) {
  os::UniqueFd owned(socket);
  if (auto set = os::set_nonblocking(socket, true); !set) return fail(set.error());
  return open_slot(std::move(owned));
}

Result<Handle> PosixAioDriver::watch(int fd) {
  auto copy = duplicate(fd);
  if (!copy) return fail(copy.error());
  return open_slot(std::move(*copy));
}

Result<Handle> PosixAioDriver::adopt(int socket) {
  os::UniqueFd owned(socket);
  if (auto set = os::set_nonblocking(socket, false); !set) return fail(set.error());
  const auto type = type_of(socket);
  if (!type) return fail(type.error());
  const Handle handle = open_slot(std::move(owned));
  if (*type == SOCK_DGRAM) return handle;
  const auto permit = take_permit();
  if (!permit) {
    finish_close(handle.slot);
    return fail(permit.error());
  }
  slots_[handle.slot].permit = *permit;
  return handle;
}

Result<std::uint32_t> PosixAioDriver::take_permit() noexcept {
  try {
    if (const auto permit = connections_.take()) return *permit;
    return fail(EUSERS);
  } catch (const std::bad_alloc&) {
    return fail(ENOMEM);
  }
}

Result<os::UniqueFd> PosixAioDriver::release(Handle handle) {
  Slot& slot = slot_of(handle);
  if (slot.reading || slot.writing || slot.piece_size > 0) {
    close(handle);
    return fail(EBUSY);
  }
  if (slot.limited) set_send_limit(slot.fd, {});
  os::UniqueFd fd(std::exchange(slot.fd, -1));
  finish_close(handle.slot);
  return fd;
}

void PosixAioDriver::close(Handle handle) noexcept {
  Slot& slot = slot_of(handle);
  POLYIO_ASSERT(!slot.reader && !slot.writer && !slot.writing);
  drop_piece(slot);
  if (!slot.reading) return finish_close(handle.slot);
  slot.closing = true;
  (void)os::shutdown(slot.fd, SHUT_RDWR);  // ends the read that a helper is in
  request_of(slot, false).cancel();        // or that none has begun
}

void PosixAioDriver::finish_close(std::uint32_t index) noexcept {
  Slot& slot = slots_[index];
  set_polled(index, 0);
  os::UniqueFd(slot.second_fd).reset();
  os::UniqueFd(slot.fd).reset();
  if (slot.permit != none) connections_.give_back(slot.permit);
  const std::uint32_t generation = slot.generation + 1;
  slot = Slot{};
  slot.generation = generation;
  free_slots_.push_back(index);
}

bool PosixAioDriver::start(Op& op) {
  Slot& slot = slot_of(op.handle);
  switch (op.kind) {
    case OpKind::receive: return start_receive(slot, op);
    case OpKind::send: return start_send(slot, op);
    default: return perform(slot, op);
  }
}

bool PosixAioDriver::retry(Op& op) {
  Slot& slot = slot_of(op.handle);
  if (slot.reader == &op) slot.reader = nullptr;
  if (slot.writer == &op) slot.writer = nullptr;
  if (op.kind == OpKind::receive) return start_receive(slot, op);
  if (op.kind == OpKind::send) return submit_write(slot, op);
  return perform(slot, op);
}

void PosixAioDriver::cancel(Op& op) {
  Slot& slot = slot_of(op.handle);
  POLYIO_ASSERT(slot.reader == &op || slot.writer == &op);
  if (op.kind == OpKind::receive) return cancel_receive(slot, op);
  if (op.kind == OpKind::send && slot.writing) return;  // ends by itself, in bounded time
  stop_waiting(slot, slot.reader == &op ? POLLIN : POLLOUT);
  (slot.reader == &op ? slot.reader : slot.writer) = nullptr;
  io().complete(op, -ECANCELED);
}

bool PosixAioDriver::finish(Slot& slot, Op& op, std::int64_t result) noexcept {
  if (slot.reader == &op) slot.reader = nullptr;
  if (slot.writer == &op) slot.writer = nullptr;
  op.result = result;
  return true;
}

}  // namespace polyio
