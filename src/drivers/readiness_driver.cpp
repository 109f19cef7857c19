#include "readiness_driver.hpp"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <polyio/os/descriptor.hpp>
#include <polyio/os/socket.hpp>
#include <system_error>
#include <thread>

#include <polyio/io/pieces.hpp>

#include "iovec.hpp"

namespace polyio {
namespace {

constexpr std::uint64_t wakeup_data = UINT64_MAX;

bool would_block(std::int64_t result) noexcept {
  return result == -EAGAIN || result == -EWOULDBLOCK;
}

// The kernel had no memory for this wait, or no descriptor: the next one may do better.
bool exhausted(std::error_code error) noexcept {
  const int value = error.value();
  return value == ENOMEM || value == EMFILE || value == ENFILE;
}

}  // namespace

ReadinessDriver::ReadinessDriver(std::unique_ptr<Selector> selector, std::uint32_t leases,
                                 os::Blocking mode)
    : SocketDriver(mode),
      buffers_({.limit = leases}),
      selector_(std::move(selector)),
      edge_(selector_->trigger() == Trigger::edge) {
  auto key = selector_->register_fd(wakeup_.fd(), event_read, wakeup_data);
  if (!key && key.error() == errno_code(EPERM)) {  // not a selector for eventfds
    wakeup_ = os::Wakeup(os::Wakeup::Kind::pipe);
    key = selector_->register_fd(wakeup_.fd(), event_read, wakeup_data);
  }
  if (!key) throw std::system_error(key.error(), "cannot wait with " + std::string(name()));
}

ReadinessDriver::~ReadinessDriver() {
  for (std::size_t fd = 0; fd < slots_.size(); ++fd) {
    if (slots_.taken(fd)) os::UniqueFd(static_cast<int>(fd)).reset();
  }
}

void ReadinessDriver::add_wakeup(int fd) {
  const auto key = selector_->register_fd(fd, event_read, wakeup_data);
  if (!key) throw std::system_error(key.error(), "cannot wait with " + std::string(name()));
}

void ReadinessDriver::on_wakeup(int) noexcept { wakeup_.drain(); }

ReadinessDriver::Slot& ReadinessDriver::slot_of(Handle handle) noexcept {
  Slot* const slot = slots_.find(handle.slot, handle.generation);
  POLYIO_ASSERT(slot);
  return *slot;
}

int ReadinessDriver::descriptor(Handle handle) const noexcept {
  POLYIO_ASSERT(slots_.holds(handle.slot, handle.generation));
  return static_cast<int>(handle.slot);
}

Result<Handle> ReadinessDriver::adopt_listener(int socket, bool shared) {
  os::UniqueFd own(socket);
  if (auto set = os::set_nonblocking(socket, true); !set) return fail(set.error());
  auto handle = open_slot(std::move(own), shared ? Kind::shared_listener : Kind::listener);
  if (handle && shared) exclusive_.push_back(handle->slot);
  return handle;
}

// The connection that woke an accept which was cancelled since has woken no other: it is taken.
bool ReadinessDriver::stop_accepting(Handle handle) noexcept {
  Slot& slot = slot_of(handle);
  slot.accepts = Accepts::once_more;
  return slot.exclusive();
}

// A listener on which no accept waits is not waited for either: a connection would wake this loop
// in vain, and none of those that share the listener.
void ReadinessDriver::leave_rivals() noexcept {
  for (const std::uint32_t fd : exclusive_) {
    Slot& slot = slots_[fd];
    if (!slot.reader) (void)set_interest(fd, slot, 0);
  }
}

Result<Handle> ReadinessDriver::watch(int fd) {
  auto copy = duplicate(fd);
  if (!copy) return fail(copy.error());
  return open_slot(std::move(*copy), Kind::watched);
}

Result<Handle> ReadinessDriver::adopt(int socket) { return open_slot(os::UniqueFd(socket)); }

Result<Handle> ReadinessDriver::adopt_descriptor(int fd) {
  auto own = os::in_mode(os::UniqueFd(fd), os::Blocking::no);
  if (!own) return fail(own.error());
  return open_slot(std::move(*own), Kind::descriptor);
}

Result<Handle> ReadinessDriver::open_slot(os::UniqueFd fd, Kind kind) {
  // What the selector can't take is refused here, not in the middle of a handler.
  if (fd.get() > selector_->max_descriptor()) return fail(EOVERFLOW);
  const auto index = static_cast<std::uint32_t>(fd.get());
  POLYIO_ASSERT(!slots_.taken(index));
  const std::uint32_t generation = slots_.take(index);
  slots_[index].kind = kind;
  (void)fd.release();
  return Handle{index, generation};
}

Handle ReadinessDriver::handle_of(int fd) const noexcept {
  const auto index = static_cast<std::uint32_t>(fd);
  return {index, slots_.generation_of(index)};
}

os::UniqueFd ReadinessDriver::detach(Handle handle) noexcept {
  Slot& slot = slot_of(handle);
  POLYIO_RULE(!slot.reader && !slot.writer, closed_while_used);
  if (slot.interest) (void)selector_->unregister(static_cast<int>(handle.slot));
  if (slot.exclusive()) std::erase(exclusive_, handle.slot);
  slots_.give_back(handle.slot);  // what still has the handle, or an event of it, is stale
  return os::UniqueFd(static_cast<int>(handle.slot));
}

Result<os::UniqueFd> ReadinessDriver::release(Handle handle) { return detach(handle); }

void ReadinessDriver::close(Handle handle) noexcept { detach(handle).reset(); }

Result<> ReadinessDriver::shutdown(Handle handle, int how) {
  Slot& slot = slot_of(handle);
  const int fd = static_cast<int>(handle.slot);
  auto done = SocketDriver::shutdown(handle, how);
  // One's own shutdown need not be an edge (sigio): asks again for what waits.
  if (!edge_ || !slot.interest) return done;
  if (selector_->modify(fd, slot.interest, handle.generation)) return done;
  // Not registered any more, perhaps: each operation tries again, and registers anew or fails.
  (void)selector_->unregister(fd);
  slot.interest = 0;
  for (Op* const op : {slot.reader, slot.writer}) {
    if (op && op->state == OpState::pending) io().make_ready(*op);
  }
  return done;
}

int ReadinessDriver::set_interest(std::uint32_t index, Slot& slot, Events interest) noexcept {
  if (edge_ && interest) interest = event_read | event_write;
  if (interest == slot.interest) return 0;
  const int fd = static_cast<int>(index);
  const std::uint32_t generation = slots_.generation_of(index);
  std::error_code error;
  if (!interest) {
    (void)selector_->unregister(fd);
  } else if (!slot.interest) {
    auto key = slot.exclusive() ? selector_->register_exclusive(fd, generation)
                                : selector_->register_fd(fd, interest, generation);
    if (!key) error = key.error();
  } else {
    auto key = selector_->modify(fd, interest, generation);
    if (!key) error = key.error();
  }
  if (!error) slot.interest = interest;
  return error.value();
}

bool ReadinessDriver::finish(Op& op, std::int64_t result) noexcept {
  op.result = result;
  return true;
}

bool ReadinessDriver::start(Op& op) {
  Slot& slot = slot_of(op.handle);
  if (op.kind != OpKind::receive) return perform(slot, op);
  if (!slot.may_read && !io().drains(op)) return wait_for(slot, op, event_read);
  return receive(slot, op);
}

bool ReadinessDriver::retry(Op& op) {
  Slot& slot = slot_of(op.handle);
  if (slot.reader == &op) slot.reader = nullptr;
  if (slot.writer == &op) slot.writer = nullptr;
  if (op.kind == OpKind::receive) return receive(slot, op);  // what an echo meets
  return perform(slot, op);
}

bool ReadinessDriver::perform(Slot& slot, Op& op) {
  switch (op.kind) {
    case OpKind::send: return send(slot, op);
    case OpKind::accept: return accept(slot, op);
    case OpKind::connect: return connect(slot, op);
    case OpKind::receive_from: return receive_from(slot, op);
    case OpKind::send_to: return send_to(slot, op);
    case OpKind::ready: return ready(slot, op);
    default: return finish(op, -EOPNOTSUPP);
  }
}

bool ReadinessDriver::wait_for(Slot& slot, Op& op, Events direction) {
  Op*& place = direction == event_read ? slot.reader : slot.writer;
  POLYIO_RULE(!place, one_at_a_time);
  if (direction == event_read) slot.may_read = false;
  if (!(slot.interest & direction)) {
    const int error = set_interest(op.handle.slot, slot, slot.interest | direction);
    if (error) return finish(op, -error);
  }
  place = &op;
  return false;
}

bool ReadinessDriver::receive(Slot& slot, Op& op) {
  if (op.leases && !buffers_.lend(op, io())) return false;
  const std::int64_t count = os::receive_now(fd_of(op), {op.data, op.size});
  if (count > 0) {
    // Not at an edge: that of these bytes may have been that of the peer's end too.
    if (static_cast<std::size_t>(count) < op.size && !edge_) slot.may_read = false;
    return finish(op, count);
  }
  if (op.leases) buffers_.give_back(op.buffer);
  if (would_block(count)) return wait_for(slot, op, event_read);
  return finish(op, count);
}

bool ReadinessDriver::send(Slot& slot, Op& op) {
  const std::size_t total = total_of(op);
  if (total == 0) return finish(op, 0);
  std::array<Part, 64> room;
  for (;;) {
    const std::int64_t count = os::send_now(fd_of(op), as_iovec(rest_of(op, room)));
    if (would_block(count)) return wait_for(slot, op, event_write);
    if (count < 0) return finish(op, count);
    op.moved += static_cast<std::size_t>(count);
    if (op.moved == total) return finish(op, static_cast<std::int64_t>(total));
    op.progressed(io().turn_began());  // progress, as the idle timeout counts it
  }
}

bool ReadinessDriver::accept(Slot& slot, Op& op) {
  const bool last = slot.accepts == Accepts::once_more;
  if (slot.accepts == Accepts::none) return finish(op, -ECANCELED);
  for (;;) {
    auto fd = os::accept(fd_of(op), mode());
    if (last) slot.accepts = Accepts::none;
    if (fd) return finish(op, fd->release());
    const int error = fd.error().value();
    if (error == EINTR) continue;
    if (last) return finish(op, -ECANCELED);
    if (error == EAGAIN || error == EWOULDBLOCK) return wait_for(slot, op, event_read);
    return finish(op, -error);
  }
}

bool ReadinessDriver::connect(Slot& slot, Op& op) {
  if (op.moved) {  // writable: it has ended, unless that was a false alarm
    const int error = os::connect_outcome(fd_of(op));
    if (error == ENOTCONN) return wait_for(slot, op, event_write);
    return finish(op, -error);
  }
  op.moved = 1;
  const auto started = os::start_connect(fd_of(op), *static_cast<const os::Address*>(op.address));
  if (!started) return finish(op, -started.error().value());
  return wait_for(slot, op, event_write);
}

bool ReadinessDriver::receive_from(Slot& slot, Op& op) {
  const std::int64_t count = os::receive_message_now(fd_of(op), *op.message);
  if (would_block(count)) return wait_for(slot, op, event_read);
  return finish(op, count);
}

bool ReadinessDriver::send_to(Slot& slot, Op& op) {
  const std::int64_t count = os::send_message_now(fd_of(op), *op.message);
  if (would_block(count) && !(op.size & MSG_DONTWAIT)) return wait_for(slot, op, event_write);
  return finish(op, count);
}

// Kept out of perform(), or its stack frame would cost every receive and send.
[[gnu::noinline]] bool ReadinessDriver::ready(Slot& slot, Op& op) {
  pollfd look{fd_of(op), POLLIN, 0};
  const int found = ::poll(&look, 1, 0);
  if (found > 0) return finish(op, 0);
  if (found < 0 && errno != EINTR) return finish(op, -errno);
  if (!slot.interest) {
    const auto key = selector_->register_shared(fd_of(op), op.handle.generation);
    if (!key) return finish(op, -key.error().value());
    slot.interest = event_read;
  }
  slot.reader = &op;
  return false;
}

void ReadinessDriver::cancel(Op& op) {
  Slot& slot = slot_of(op.handle);
  if (slot.reader == &op) slot.reader = nullptr;
  if (slot.writer == &op) slot.writer = nullptr;
  (void)buffers_.forget(op);
  io().complete(op, -ECANCELED);
}

void ReadinessDriver::on_event(const SelectorEvent& event) {
  if (event.key.data == wakeup_data) return on_wakeup(event.key.fd);
  const auto fd = static_cast<std::uint32_t>(event.key.fd);
  Slot* const found = slots_.find(fd, static_cast<std::uint32_t>(event.key.data));
  if (!found) return;  // stale: closed since
  Slot& slot = *found;
  if (event.mask & event_read) {
    slot.may_read = true;
    if (slot.reader && slot.reader->state == OpState::pending) {
      io().make_ready(*slot.reader);
      if (event.mask == event_read) return;  // what an echo meets
    }
  }
  if ((event.mask & event_write) && slot.writer && slot.writer->state == OpState::pending) {
    io().make_ready(*slot.writer);
  }
  if (edge_) return;
  // Drop the interest that no operation has, or every wait would end at once with it.
  Events wanted = slot.interest;
  if ((event.mask & event_read) && !slot.reader) wanted &= ~event_read;
  if ((event.mask & event_write) && !slot.writer) wanted &= ~event_write;
  if (wanted != slot.interest) (void)set_interest(fd, slot, wanted);
}

void ReadinessDriver::poll(Deadline deadline) {
  const Timeout timeout =
      deadline == TimePoint::min() ? no_wait : timeout_until(deadline, monotonic_now());
  if (!exclusive_.empty()) [[unlikely]]
    leave_rivals();
  const auto count = selector_->select(events_, timeout);
  if (!count) {
    POLYIO_ASSERT(exhausted(count.error()));
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return;
  }
  for (std::size_t i = 0; i < *count; ++i) on_event(events_[i]);
}

// --- another driver in this one's place ---

Result<std::vector<OpenHandle>> ReadinessDriver::handles() {
  std::vector<OpenHandle> all;
  for (std::uint32_t fd = 0; fd < slots_.size(); ++fd) {
    if (!slots_.taken(fd)) continue;
    const Slot& slot = slots_[fd];
    all.push_back({{fd, slots_.generation_of(fd)}, slot.kind, slot.accepts != Accepts::always});
  }
  return all;
}

Result<> ReadinessDriver::make_room(std::span<const OpenHandle> handles) {
  for (const OpenHandle& one : handles) {
    if (one.simulated) return fail(EOPNOTSUPP);
    if (std::cmp_greater(one.handle.slot, selector_->max_descriptor())) return fail(EOVERFLOW);
    slots_.make_room(one.handle.slot);
  }
  exclusive_.reserve(static_cast<std::size_t>(
      std::ranges::count(handles, Kind::shared_listener, &OpenHandle::kind)));
  return {};
}

void ReadinessDriver::leave() noexcept {
  for (std::uint32_t fd = 0; fd < slots_.size(); ++fd) {
    if (!slots_.taken(fd)) continue;
    const Slot slot = slots_.give_back(fd);
    if (slot.interest) (void)selector_->unregister(static_cast<int>(fd));
    for (Op* const op : {slot.reader, slot.writer}) {
      if (op && op->state == OpState::pending) io().make_ready(*op);
    }
  }
  exclusive_.clear();
  buffers_.wake_all();
}

// Connections are received from and sent to without waiting whatever their mode; what is accepted
// from, connected, read or written is not.
void ReadinessDriver::take_over(std::span<const OpenHandle> handles) noexcept {
  for (const OpenHandle& one : handles) {
    const std::uint32_t fd = one.handle.slot;
    slots_.take_as(fd, one.handle.generation);
    slots_[fd].kind = one.kind;
    if (one.stopped) slots_[fd].accepts = Accepts::once_more;
    if (one.kind == Kind::shared_listener) exclusive_.push_back(fd);
    if (one.kind != Kind::watched) (void)os::set_nonblocking(static_cast<int>(fd), true);
  }
}

}  // namespace polyio
