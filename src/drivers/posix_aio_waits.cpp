// PosixAioDriver: its one wait, what comes back from it, and the operations that POSIX AIO does not
// know, by readiness.
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <polyio/os/socket.hpp>

#include "posix_aio_driver.hpp"

namespace polyio {
namespace {

using namespace std::chrono_literals;

constexpr Nanoseconds look_interval = 1s;  // see look_after()

}  // namespace

bool PosixAioDriver::perform(Slot& slot, Op& op) {
  switch (op.kind) {
    case OpKind::accept: return accept(slot, op);
    case OpKind::connect: return connect(slot, op);
    case OpKind::receive_from: return receive_from(slot, op);
    case OpKind::send_to: return send_to(slot, op);
    case OpKind::ready: return ready(slot, op);
    default: return finish(slot, op, -EOPNOTSUPP);
  }
}

bool PosixAioDriver::accept(Slot& slot, Op& op) {
  for (;;) {
    auto fd = os::accept(slot.fd, os::Blocking::yes);
    if (fd) return finish(slot, op, fd->release());
    const int error = fd.error().value();
    if (error == EINTR) continue;
    if (error == EAGAIN || error == EWOULDBLOCK) return wait_for(slot, op, POLLIN);
    return finish(slot, op, -error);
  }
}

// Non-blocking while it connects, blocking from then on, as helpers need it.
bool PosixAioDriver::connect(Slot& slot, Op& op) {
  if (op.moved) {  // writable: it has ended, unless that was a false alarm
    const int error = os::pending_error(slot.fd);
    if (!error && !os::peer_address(slot.fd)) return wait_for(slot, op, POLLOUT);
    if (auto set = os::set_nonblocking(slot.fd, false); !set) {
      return finish(slot, op, -set.error().value());
    }
    return finish(slot, op, -error);
  }
  op.moved = 1;
  if (auto set = os::set_nonblocking(slot.fd, true); !set) {
    return finish(slot, op, -set.error().value());
  }
  const auto started = os::start_connect(slot.fd, *static_cast<const os::Address*>(op.address));
  if (!started) return finish(slot, op, -started.error().value());
  return wait_for(slot, op, POLLOUT);
}

bool PosixAioDriver::receive_from(Slot& slot, Op& op) {
  const std::int64_t count = os::receive_message_now(slot.fd, *op.message);
  if (count == -EAGAIN) return wait_for(slot, op, POLLIN);
  return finish(slot, op, count);
}

bool PosixAioDriver::send_to(Slot& slot, Op& op) {
  const std::int64_t count = os::send_message_now(slot.fd, *op.message);
  if (count == -EAGAIN && !(op.size & MSG_DONTWAIT)) return wait_for(slot, op, POLLOUT);
  return finish(slot, op, count);
}

bool PosixAioDriver::ready(Slot& slot, Op& op) {
  pollfd look{slot.fd, POLLIN, 0};
  return ::poll(&look, 1, 0) > 0 ? finish(slot, op, 0) : wait_for(slot, op, POLLIN);
}

// --- who is waited for ---

bool PosixAioDriver::wait_for(Slot& slot, Op& op, short direction) {
  Op*& place = direction == POLLIN ? slot.reader : slot.writer;
  POLYIO_ASSERT(!place || place == &op);
  place = &op;
  const short now = slot.polled ? polled_[slot.polled].events : short{0};
  set_polled(op.handle.slot, static_cast<short>(now | direction));
  return false;
}

void PosixAioDriver::stop_waiting(Slot& slot, short direction) {
  if (!slot.polled) return;
  const auto rest = static_cast<short>(polled_[slot.polled].events & ~direction);
  set_polled(polled_slots_[slot.polled], rest);
}

void PosixAioDriver::set_polled(std::uint32_t index, short events) {
  Slot& slot = slots_[index];
  if (slot.polled && events) {
    polled_[slot.polled].events = events;
  } else if (events) {
    slot.polled = static_cast<std::uint32_t>(polled_.size());
    polled_.push_back({slot.fd, events, 0});
    polled_slots_.push_back(index);
  } else if (slot.polled) {  // the last goes into the gap
    const std::uint32_t gap = std::exchange(slot.polled, 0);
    if (polled_slots_.back() != index) slots_[polled_slots_.back()].polled = gap;
    polled_[gap] = polled_.back();
    polled_slots_[gap] = polled_slots_.back();
    polled_.pop_back();
    polled_slots_.pop_back();
  }
}

// Nobody is waited for twice: who finds it a false alarm asks again.
void PosixAioDriver::told(std::size_t place) {
  const short asked = polled_[place].events;
  const short ready = polled_[place].revents & (POLLERR | POLLHUP | POLLNVAL)
                          ? asked
                          : static_cast<short>(polled_[place].revents & asked);
  Slot& slot = slots_[polled_slots_[place]];
  set_polled(polled_slots_[place], static_cast<short>(asked & ~ready));
  if (ready & POLLIN) io().make_ready(*slot.reader);
  if (ready & POLLOUT) io().make_ready(*slot.writer);
}

// --- the wait ---

void PosixAioDriver::poll(Deadline deadline) {
  if (collect()) deadline = TimePoint::min();
  wait(deadline);
}

void PosixAioDriver::wait(Deadline deadline) noexcept {
  if (in_flight_ > 0 && deadline != TimePoint::min()) deadline = std::min(deadline, next_look_);
  timespec timeout{};
  const bool for_ever = deadline == never;
  const TimePoint now = monotonic_now();
  if (!for_ever && deadline > now) {
    const Nanoseconds span = deadline - now;
    timeout = {.tv_sec = span.count() / 1'000'000'000, .tv_nsec = span.count() % 1'000'000'000};
  }
  sleep(for_ever ? nullptr : &timeout);
  (void)collect();
  if (in_flight_ > 0 && now >= next_look_) {
    look_after();
    next_look_ = now + look_interval;
  }
}

// Between sleeps() and the wait itself the signal is blocked, so that none is missed.
void PosixAioDriver::sleep(const timespec* timeout) noexcept {
  static constexpr timespec at_once{};
  mailbox_.sleeps();
  if (!mailbox_.empty()) timeout = &at_once;
  const int count = ::ppoll(polled_.data(), polled_.size(), timeout, &while_waiting_);
  mailbox_.is_awake();
  // One signal ends the wait, and none does with something ready; the rest are still queued.
  if (count != 0 && in_flight_ > 0) aio::take_signals();
  if (count <= 0) return;
  if (polled_[0].revents) mailbox_.drain();
  for (std::size_t place = polled_.size(); --place > 0;) {
    if (polled_[place].revents) told(place);
  }
}

bool PosixAioDriver::collect() {
  if (mailbox_.should_look()) collect_all();
  bool some = false;
  aio::Request* request = mailbox_.take();
  while (request) {
    aio::Request& mine = *request;
    request = aio::Mailbox::next(mine);  // it may be used again at once
    completed(mine);
    some = true;
  }
  return some;
}

void PosixAioDriver::collect_all() noexcept {
  for (Slot& slot : slots_) {
    if (slot.reading) request_of(slot, false).collect();
    if (slot.writing) request_of(slot, true).collect();
  }
}

// Once a second while something is in flight: what should not happen, but could end as a wait
// without end. A notification was lost: glibc drops it when no signal can be queued. Or no helper
// has time for a request though its descriptor is ready: a thread could not be started, which glibc
// does not tell, or somebody else in the process uses POSIX AIO.
void PosixAioDriver::look_after() noexcept {
  for (Slot& slot : slots_) {
    if (slot.reading) look_after(request_of(slot, false));
    if (slot.writing) look_after(request_of(slot, true));
  }
}

void PosixAioDriver::look_after(aio::Request& request) noexcept {
  if (request.over()) {
    if (!request.suspect(aio::Request::Suspicion::lost)) return;
    request.lost = true;
    return request.collect();
  }
  const short direction = request.writes ? POLLOUT : POLLIN;
  pollfd one{request.fd(), direction, 0};
  if (::poll(&one, 1, 0) != 1) return;
  if (request.suspect(aio::Request::Suspicion::starved)) request.cancel();
}

}  // namespace polyio
