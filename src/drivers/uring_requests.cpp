// UringDriver: what is handed to the kernel, and the operations that lead to it.
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include <polyio/io/pieces.hpp>

#include "iovec.hpp"
#include "uring_driver.hpp"

namespace polyio {

std::uint64_t UringDriver::user_data(std::uint32_t index, Tag tag) const noexcept {
  const std::uint64_t owner = slots_.taken(index) ? owner_of(index) : 0;
  return (std::uint64_t{index} << 32) | (owner << 8) | static_cast<std::uint64_t>(tag);
}

// The caller prepares it: io_uring_prep_* sets every field but user_data.
io_uring_sqe* UringDriver::request(std::uint32_t index, Tag tag) noexcept {
  io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
  while (!sqe) {  // full: hand over what is there
    io_uring_submit(&ring_);
    sqe = io_uring_get_sqe(&ring_);
  }
  sqe->user_data = user_data(index, tag);
  ++in_flight_;
  return sqe;
}

void UringDriver::request_wakeup() noexcept {
  io_uring_sqe* sqe = request(0, Tag::wakeup);
  io_uring_prep_poll_multishot(sqe, wakeup_.fd(), POLLIN);
  --in_flight_;  // the ring's end is its end
}

void UringDriver::request_cancel(std::uint32_t index, Tag tag) noexcept {
  const std::uint64_t target = user_data(index, tag);
  io_uring_sqe* sqe = request(index, Tag::cancel);
  io_uring_prep_cancel64(sqe, target, 0);
}

UringDriver::Tag UringDriver::tag_of_armed(const Slot& slot) noexcept {
  if (slot.listens()) return Tag::accept;
  return slot.polled ? Tag::readable : Tag::receive;
}

// Of the request that an operation has of its own: all but receives and accepts.
UringDriver::Tag UringDriver::tag_of(const Op& op) noexcept {
  switch (op.kind) {
    case OpKind::receive_from: return Tag::datagram_in;
    case OpKind::send_to: return Tag::datagram_out;
    case OpKind::send: return Tag::send;
    case OpKind::ready: return Tag::ready;
    default: return Tag::connect;
  }
}

// Asks for the end of what arm() has begun.
void UringDriver::end_armed(std::uint32_t index) noexcept {
  Slot& slot = slots_[index];
  slot.cancelling = true;
  request_cancel(index, tag_of_armed(slot));
}

void UringDriver::arm(std::uint32_t index) noexcept {
  Slot& slot = slots_[index];
  const int fd = static_cast<int>(index);
  slot.polled = !slot.is_socket();
  io_uring_sqe* sqe = request(index, tag_of_armed(slot));
  if (slot.polled) {
    io_uring_prep_poll_add(sqe, fd, POLLIN);
  } else if (slot.one_by_one()) {
    io_uring_prep_accept(sqe, fd, nullptr, nullptr, SOCK_CLOEXEC);
  } else if (slot.listens()) {
    io_uring_prep_multishot_accept(sqe, fd, nullptr, nullptr, SOCK_CLOEXEC);
  } else {
    if (buffers_.short_of_buffers()) {
      io_uring_prep_recv(sqe, fd, nullptr, 0, 0);
    } else {
      io_uring_prep_recv_multishot(sqe, fd, nullptr, 0, 0);
    }
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = UringBuffers::group;
  }
  slot.armed = true;
  slot.cancelling = false;
  ++slot.in_flight;
}

// For the receive that waits and has no request. Where buffers are short the connection may have to
// give one back first.
void UringDriver::receive_more(std::uint32_t index, Slot& slot) noexcept {
  const bool leases = slot.reader->leases;
  if (leases && buffers_.short_of_buffers() && !buffers_.may_lend(slot.reader->handle)) {
    io().lease_shortage();
    return buffers_.own().wait(*std::exchange(slot.reader, nullptr));
  }
  arm(index);
}

// No more than there are buffers for: the rest would come here again.
void UringDriver::arm_starved() noexcept {
  const auto count = std::min<std::size_t>(starved_.size(), buffers_.provided());
  if (count == 0) return;
  const auto end = starved_.begin() + static_cast<std::ptrdiff_t>(count);
  for (auto it = starved_.begin(); it != end; ++it) {
    Slot& slot = slots_[*it];
    slot.starved = false;
    if (!slot.closing && slot.reader && !slot.armed) receive_more(*it, slot);
  }
  starved_.erase(starved_.begin(), end);  // keeps its memory: what starves next must find room
}

// Buffers are short: what reads ahead stops, and a receive that waits asks for one completion.
void UringDriver::end_read_ahead() noexcept {
  for (std::uint32_t index = 0; index < slots_.size(); ++index) {
    if (!slots_.taken(index)) continue;
    const Slot& slot = slots_[index];
    if (slot.armed && slot.is_socket() && !slot.listens() && !slot.cancelling) end_armed(index);
  }
}

void UringDriver::submit_send(Slot& slot, Op& op) noexcept {
  const int fd = static_cast<int>(op.handle.slot);
  io_uring_sqe* sqe = request(op.handle.slot, Tag::send);
  std::array<Part, 64> room;
  const std::span<const Part> rest = rest_of(op, room);
  if (!slot.is_socket()) {
    const auto size = static_cast<unsigned>(std::min<std::size_t>(rest[0].size, 1 << 30));
    io_uring_prep_write(sqe, fd, rest[0].data, size, static_cast<__u64>(-1));
  } else if (op.moved == 0 && rest.size() > 1) {
    msghdr& message = messages_[static_cast<std::size_t>(sqe - ring_.sq.sqes)];
    message = {};
    message.msg_iov = const_cast<iovec*>(as_iovec({op.parts, op.size}).data());
    message.msg_iovlen = std::min<std::size_t>(op.size, 1024);
    io_uring_prep_sendmsg(sqe, fd, &message, MSG_NOSIGNAL | MSG_WAITALL);
  } else {
    const int flags = MSG_NOSIGNAL | MSG_WAITALL;
    io_uring_prep_send(sqe, fd, rest[0].data, rest[0].size, flags);
  }
  ++slot.in_flight;
}

// The message is the caller's, and valid until the operation's end.
void UringDriver::submit_message(Slot& slot, Op& op) noexcept {
  const int fd = static_cast<int>(op.handle.slot);
  const bool receives = op.kind == OpKind::receive_from;
  io_uring_sqe* sqe = request(op.handle.slot, receives ? Tag::datagram_in : Tag::datagram_out);
  if (receives) {
    io_uring_prep_recvmsg(sqe, fd, op.message, MSG_TRUNC);
  } else {
    const auto flags = static_cast<unsigned>(op.size) | MSG_NOSIGNAL;
    io_uring_prep_sendmsg(sqe, fd, op.message, flags);
  }
  ++slot.in_flight;
}

void UringDriver::submit_ready(Slot& slot, Op& op) noexcept {
  io_uring_sqe* sqe = request(op.handle.slot, Tag::ready);
  io_uring_prep_poll_add(sqe, static_cast<int>(op.handle.slot), POLLIN);
  ++slot.in_flight;
}

// One that another driver has begun is waited for.
void UringDriver::submit_connect(Slot& slot, Op& op) noexcept {
  const int fd = static_cast<int>(op.handle.slot);
  io_uring_sqe* sqe = request(op.handle.slot, Tag::connect);
  if (op.moved) {
    io_uring_prep_poll_add(sqe, fd, POLLOUT);
  } else {
    const auto& address = *static_cast<const os::Address*>(op.address);
    io_uring_prep_connect(sqe, fd, address.data(), address.size());
  }
  ++slot.in_flight;
}

bool UringDriver::start(Op& op) {
  Slot& slot = slot_of(op.handle);
  switch (op.kind) {
    case OpKind::receive: return start_receive(slot, op);
    case OpKind::accept: return start_accept(slot, op);
    case OpKind::send:
      if (total_of(op) == 0) {
        op.result = 0;
        return true;
      }
      POLYIO_RULE(!slot.writer, one_at_a_time);
      slot.writer = &op;
      submit_send(slot, op);
      return false;
    case OpKind::receive_from:
    case OpKind::send_to:
      POLYIO_RULE(op.kind == OpKind::receive_from ? !slot.reader : !slot.writer, one_at_a_time);
      (op.kind == OpKind::receive_from ? slot.reader : slot.writer) = &op;
      submit_message(slot, op);
      return false;
    case OpKind::ready:
      POLYIO_RULE(!slot.reader, one_at_a_time);
      slot.reader = &op;
      submit_ready(slot, op);
      return false;
    default: break;
  }
  slot.writer = &op;
  submit_connect(slot, op);
  return false;
}

// What has arrived is with the kernel, or the multishot receive has it already.
bool UringDriver::quiet(Handle handle) {
  const Slot& slot = slot_of(handle);
  if (!slot.pieces.empty() || slot.ended || slot.error) return false;
  return Driver::quiet(handle);
}

bool UringDriver::start_receive(Slot& slot, Op& op) noexcept {
  if (!slot.pieces.empty()) {
    op.result = pieces_.deliver(slot.pieces, op);
    return true;
  }
  if (slot.ended || slot.error) {
    op.result = -slot.error;
    return true;
  }
  POLYIO_RULE(!slot.reader, one_at_a_time);
  slot.reader = &op;
  if (!slot.armed) receive_more(op.handle.slot, slot);
  return false;
}

// Hands out what was accepted ahead.
bool UringDriver::take_accepted(Op& op) noexcept {
  std::deque<int>* const sockets = accepted_on(op.handle.slot);
  if (!sockets || sockets->empty()) return false;
  op.result = sockets->front();
  sockets->pop_front();
  return true;
}

bool UringDriver::start_accept(Slot& slot, Op& op) noexcept {
  if (take_accepted(op)) return true;
  if (slot.retired && !slot.armed && !accept_what_waits(op.handle.slot)) {
    op.result = -ECANCELED;
    return true;
  }
  POLYIO_RULE(!slot.reader, one_at_a_time);
  slot.reader = &op;
  if (!slot.armed) arm(op.handle.slot);
  return false;
}

// For a connection on a listener that others share, the kernel wakes one request. If that is
// cancelled before it accepts, the connection stays queued and wakes no other request. So while one
// is queued, another request is made, which accepts at once, and cancelled in case others were
// quicker. False: none is queued.
bool UringDriver::accept_what_waits(std::uint32_t index) noexcept {
  pollfd listener{static_cast<int>(index), POLLIN, 0};
  if (!slots_[index].one_by_one() || ::poll(&listener, 1, 0) != 1) return false;
  arm(index);
  end_armed(index);
  return true;
}

void UringDriver::cancel(Op& op) {
  Slot& slot = slot_of(op.handle);
  if (op.kind == OpKind::receive && buffers_.own().forget(op)) {
    return io().complete(op, -ECANCELED);
  }
  POLYIO_ASSERT(slot.reader == &op || slot.writer == &op);
  if (op.kind != OpKind::receive && op.kind != OpKind::accept) {
    return request_cancel(op.handle.slot, tag_of(op));
  }
  slot.reader = nullptr;  // the kernel fills our buffers, not the op's: it may go at once
  io().complete(op, -ECANCELED);
}

}  // namespace polyio
