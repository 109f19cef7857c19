#include "posix_aio_driver.hpp"

#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <polyio/base/sanitizers.hpp>
#include <polyio/os/socket.hpp>
#include <polyio/selectors/poll_selector.hpp>
#include <system_error>
#include <utility>

namespace polyio {
namespace {

using namespace std::chrono_literals;

// How long an idle helper thread stays: glibc's own choice. Where one has to start another it calls
// malloc, which ThreadSanitizer can't bear from a thread that it does not know; but if none is ever
// idle, our thread starts them all.
constexpr int idle_seconds = POLYIO_TSAN ? -1 : 1;
constexpr Nanoseconds look_interval = 1s;

Result<int> type_of(int fd) {
  int type = 0;
  socklen_t size = sizeof type;
  if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0) return fail(errno);
  return type;
}

}  // namespace

PosixAioDriver::PosixAioDriver(std::uint32_t leases)
    : ReadinessDriver(std::make_unique<PollSelector>(), leases, os::Blocking::yes),
      mailbox_(wakeup()) {
  if (!signal_.problem().empty()) {
    throw std::system_error(EBUSY, std::generic_category(), signal_.problem());
  }
  aio::keep_idle_helpers(idle_seconds);
  const sigset_t ours = aio::completion_signals();
  signals_.reset(::signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_) throw std::system_error(errno, std::generic_category(), "signalfd");
  add_wakeup(signals_.get());
}

PosixAioDriver::~PosixAioDriver() {
  for (std::size_t fd = 0; fd < readers_.size(); ++fd) {
    if (readers_[fd].permit != none && !readers_[fd].closing)
      close(handle_of(static_cast<int>(fd)));
  }
  if (closing_ == 0) return;
  attach_thread();
  detach_thread();
}

void PosixAioDriver::attach_thread() {
  const sigset_t ours = aio::completion_signals();
  ::pthread_sigmask(SIG_BLOCK, &ours, &outside_);
}

void PosixAioDriver::detach_thread() noexcept {
  while (closing_ > 0) poll(never);
  ::pthread_sigmask(SIG_SETMASK, &outside_, nullptr);
}

// --- connections ---

PosixAioDriver::Reader* PosixAioDriver::find(Handle handle) noexcept {
  const auto fd = static_cast<std::size_t>(descriptor(handle));
  return fd < readers_.size() && readers_[fd].permit != none ? &readers_[fd] : nullptr;
}

// Helpers need blocking sockets.
Result<Handle> PosixAioDriver::adopt(int socket) {
  os::UniqueFd owned(socket);
  if (auto set = os::set_nonblocking(socket, false); !set) return fail(set.error());
  const auto type = type_of(socket);
  if (!type) return fail(type.error());
  const auto index = static_cast<std::size_t>(socket);
  if (readers_.size() <= index) readers_.resize(index + 1);
  auto handle = open_slot(std::move(owned));
  if (!handle || *type == SOCK_DGRAM) return handle;
  const auto permit = connections_.take();
  if (!permit) {
    ReadinessDriver::close(*handle);
    return fail(permit.error());
  }
  readers_[index].permit = *permit;
  return handle;
}

void PosixAioDriver::forget(Reader& reader) noexcept {
  connections_.give_back(reader.permit);
  reader = Reader{};
}

Result<os::UniqueFd> PosixAioDriver::release(Handle handle) {
  Reader* const reader = find(handle);
  if (reader && (reader->reading || reader->size > 0)) {
    close(handle);
    return fail(EBUSY);
  }
  if (reader) forget(*reader);
  return ReadinessDriver::release(handle);
}

void PosixAioDriver::close(Handle handle) noexcept {
  Reader* const reader = find(handle);
  if (!reader) return ReadinessDriver::close(handle);
  POLYIO_RULE(!reader->op, closed_while_used);
  drop(*reader);
  if (!reader->reading) {
    forget(*reader);
    return ReadinessDriver::close(handle);
  }
  reader->closing = true;
  ++closing_;
  const int fd = detach(handle).release();  // open until the read's end
  // Ends the read that a helper is in. Receiving only: what the peer sees, an end or a reset, is
  // what closing makes.
  (void)os::shutdown(fd, SHUT_RD);
  connections_.request(reader->permit).cancel();  // or that none has begun
}

// A read that was left in flight, by a receive that ended first, may have taken what arrived.
bool PosixAioDriver::quiet(Handle handle) {
  const Reader* const reader = find(handle);
  if (reader && (reader->reading || reader->size > 0 || reader->ended || reader->error))
    return false;
  return Driver::quiet(handle);
}

// --- operations ---

// Of what is no socket ReadinessDriver does all: a read that a helper is in could not be ended, for
// there is no shutdown(2) of it.
bool PosixAioDriver::start(Op& op) {
  if (reads(op)) return start_receive(op);
  if (op.kind == OpKind::connect) {
    const auto set = os::set_nonblocking(descriptor(op.handle), true);
    if (!set) return finish(op, -set.error().value());
  }
  return settle(op, ReadinessDriver::start(op));
}

bool PosixAioDriver::retry(Op& op) {
  if (!reads(op)) return settle(op, ReadinessDriver::retry(op));
  find(op.handle)->op = nullptr;
  return start_receive(op);
}

// Non-blocking while it connects, blocking from then on.
bool PosixAioDriver::settle(Op& op, bool ended) noexcept {
  if (!ended || op.kind != OpKind::connect || op.result < 0) return ended;
  const auto set = os::set_nonblocking(descriptor(op.handle), false);
  return set ? true : finish(op, -set.error().value());
}

void PosixAioDriver::cancel(Op& op) {
  if (reads(op)) return cancel_receive(op);
  ReadinessDriver::cancel(op);
}

// --- receiving ---

bool PosixAioDriver::start_receive(Op& op) {
  Reader& reader = *find(op.handle);
  if (reader.size > 0) return finish(op, deliver(reader, op));
  if (reader.ended || reader.error) return finish(op, -reader.error);
  POLYIO_RULE(!reader.op, one_at_a_time);
  reader.op = &op;
  if (reader.reading) return false;  // that of a receive that was cancelled
  const int error = submit(op.handle, reader);
  if (error == 0) return false;
  reader.op = nullptr;
  return finish(op, error);
}

// Hands a read over, for the receive that waits; or that waits for a buffer first. Not thrown:
// completions call this too.
int PosixAioDriver::submit(Handle handle, Reader& reader) noexcept {
  LeasePool::Buffer buffer;
  try {
    buffer = buffers_.take(handle, io());
    if (!buffer.data && !reader.op->leases) buffer = buffers_.take_own(handle);
  } catch (const std::bad_alloc&) {
    return -ENOMEM;
  }
  if (!buffer.data) {
    buffers_.wait(*reader.op);
    return 0;
  }
  reader.buffer = buffer.id;
  const int error = connections_.request(reader.permit)
                        .read(mailbox_, descriptor(handle), buffer.data, buffer.size);
  if (error) {
    drop(reader);
    return error;
  }
  reader.reading = true;
  ++in_flight_;
  return 0;
}

// Hands what a read brought to a receive; copies where the caller brought its own room.
std::int64_t PosixAioDriver::deliver(Reader& reader, Op& op) noexcept {
  std::byte* const data = buffers_.at(reader.buffer).data + reader.at;
  if (op.leases) {
    op.data = data;
    op.buffer = std::exchange(reader.buffer, none);
    return std::exchange(reader.size, 0);
  }
  const auto count = static_cast<std::uint32_t>(std::min<std::size_t>(op.size, reader.size));
  std::memcpy(op.data, data, count);
  reader.at += count;
  reader.size -= count;
  if (reader.size == 0) drop(reader);
  return count;
}

void PosixAioDriver::drop(Reader& reader) noexcept {
  if (reader.reading || reader.buffer == none) return;
  buffers_.give_back(std::exchange(reader.buffer, none));
  reader.size = 0;
}

void PosixAioDriver::cancel_receive(Op& op) {
  Reader& reader = *find(op.handle);
  (void)buffers_.forget(op);
  if (reader.reading) {
    // Draining, the read is ended too: with what has arrived, if something has, which is delivered.
    if (io().drains(op)) return (void)os::shutdown(descriptor(op.handle), SHUT_RD);
    if (connections_.request(reader.permit).over()) return;  // its success is on its way here
  }
  reader.op = nullptr;
  io().complete(op, -ECANCELED);
}

// --- what comes back ---

void PosixAioDriver::poll(Deadline deadline) {
  if (in_flight_ > 0 && deadline != TimePoint::min()) deadline = std::min(deadline, next_look_);
  ReadinessDriver::poll(deadline);
  if (in_flight_ > 0) look_after();
  collect();
}

void PosixAioDriver::on_wakeup(int fd) noexcept {
  if (fd != signals_.get()) return ReadinessDriver::on_wakeup(fd);
  aio::take_signals(fd, mailbox_);
}

void PosixAioDriver::collect() noexcept {
  if (mailbox_.should_look()) {
    for (Reader& reader : readers_) {
      if (reader.reading) connections_.request(reader.permit).collect();
    }
  }
  aio::Request* request = mailbox_.take();
  while (request) {
    aio::Request& mine = *request;
    request = aio::Mailbox::next(mine);  // it may be used again at once
    completed(mine);
  }
}

void PosixAioDriver::completed(aio::Request& request) noexcept {
  --in_flight_;
  const int fd = request.fd();
  Reader& reader = readers_[static_cast<std::size_t>(fd)];
  const std::int64_t result = request.result();
  reader.reading = false;
  if (!reader.closing) return on_read(fd, reader, result);
  drop(reader);
  forget(reader);
  --closing_;
  os::UniqueFd(fd).reset();
}

void PosixAioDriver::on_read(int fd, Reader& reader, std::int64_t result) noexcept {
  if (result == -ECANCELED) {  // no helper had time for it (look_after): by hand
    const LeasePool::Buffer buffer = buffers_.at(reader.buffer);
    result = os::receive_now(fd, {buffer.data, buffer.size});
    if (result == -EAGAIN) {
      drop(reader);
      if (!reader.op) return;  // the next receive asks anew
      const int error = submit(handle_of(fd), reader);
      if (!error) return;
      result = error;
    }
  }
  if (result > 0) {
    reader.at = 0;
    reader.size = static_cast<std::uint32_t>(result);
  } else {
    drop(reader);
    reader.ended = result == 0;
    reader.error = static_cast<int>(-result);
  }
  if (!reader.op) return;
  Op& op = *std::exchange(reader.op, nullptr);
  io().complete(op, result > 0 ? deliver(reader, op) : result);
}

// Once a second while something is in flight, for what should not happen but would be a wait
// without end. Either a notification was lost, because glibc drops it when no signal can be queued.
// Or no helper has time for a read though there is something to read: a thread could not be
// started, which glibc does not report, or something else in the process uses POSIX AIO. To look at
// a read that is only just ending does no harm.
void PosixAioDriver::look_after() noexcept {
  const TimePoint now = monotonic_now();
  if (now < next_look_) return;
  next_look_ = now + look_interval;
  for (Reader& reader : readers_) {
    if (!reader.reading) continue;
    aio::Request& request = connections_.request(reader.permit);
    pollfd one{request.fd(), POLLIN, 0};
    if (request.over()) {
      request.collect();
    } else if (::poll(&one, 1, 0) == 1) {
      request.cancel();
    }
  }
}

}  // namespace polyio
