#include "uring_driver.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <polyio/os/socket.hpp>
#include <system_error>

#include "socket_calls.hpp"
#include "uring_ring.hpp"

namespace polyio {
namespace {

constexpr std::size_t receive_limit = 256 * 1024;  // bytes queued for a handler that does not ask
constexpr std::size_t accept_limit = 64;           // connections likewise
constexpr std::uint32_t generation_mask = 0xffffff;

}  // namespace

UringDriver::~UringDriver() {
  if (ready_) {
    for (std::uint32_t i = 0; i < slots_.size(); ++i) {
      Slot& slot = slots_[i];
      if (slot.fd >= 0 && !slot.closing) close({i, slot.generation});
    }
    while (in_flight_ > 0) {
      wait(never);
      reap();
    }
    io_uring_queue_exit(&ring_);
  }
  for (const Slot& slot : slots_) os::UniqueFd(slot.fd).reset();
}

void UringDriver::enter() {
  if (ready_) return;
  int error = uring::open(ring_);
  if (!error) {
    error = buffers_.open(ring_);
    if (error) io_uring_queue_exit(&ring_);
  }
  if (error) throw std::system_error(-error, std::generic_category(), "io_uring");
  messages_.resize(*ring_.sq.kring_entries);
  ready_ = true;
  request_wakeup();
}

UringDriver::Slot& UringDriver::slot_of(Handle handle) noexcept {
  POLYIO_ASSERT(handle.slot < slots_.size());
  Slot& slot = slots_[handle.slot];
  POLYIO_ASSERT(slot.fd >= 0 && !slot.closing && slot.generation == handle.generation);
  return slot;
}

Result<Handle> UringDriver::listen(const os::Address& address, int backlog) {
  auto fd = os::listen_tcp(address, backlog, os::Blocking::yes);
  if (!fd) return fail(fd.error());
  auto handle = adopt(fd->release());
  if (handle) slots_[handle->slot].listens = true;
  return handle;
}

Result<Handle> UringDriver::open(int family) {
  auto fd = os::tcp_socket(family, os::Blocking::yes);
  if (!fd) return fail(fd.error());
  return adopt(fd->release());
}

Result<Handle> UringDriver::adopt(int socket) {
  if (auto set = os::set_nonblocking(socket, false); !set) {
    os::UniqueFd(socket).reset();
    return fail(set.error());
  }
  if (free_slots_.empty()) {
    slots_.emplace_back();
    free_slots_.push_back(static_cast<std::uint32_t>(slots_.size() - 1));
  }
  const std::uint32_t index = free_slots_.back();
  free_slots_.pop_back();
  slots_[index].fd = socket;
  return Handle{index, slots_[index].generation};
}

Result<os::UniqueFd> UringDriver::release(Handle handle) {
  Slot& slot = slot_of(handle);
  if (slot.in_flight > 0 || slot.first != no_piece) {
    close(handle);
    return fail(EBUSY);
  }
  os::UniqueFd fd(std::exchange(slot.fd, -1));
  finish_close(handle.slot);
  return fd;
}

void UringDriver::close(Handle handle) noexcept {
  Slot& slot = slot_of(handle);
  POLYIO_ASSERT(!slot.reader && !slot.writer);
  drop_pieces(slot);
  slot.closing = true;
  if (slot.in_flight == 0) return finish_close(handle.slot);
  if (slot.armed && !slot.cancelling) {
    slot.cancelling = true;
    request_cancel(handle.slot, slot.listens ? Tag::accept : Tag::receive);
  }
}

void UringDriver::finish_close(std::uint32_t index) noexcept {
  Slot& slot = slots_[index];
  if (slot.listens) {
    std::erase_if(accepted_, [&](auto& entry) {
      if (entry.first != index) return false;
      for (int fd : entry.second) os::UniqueFd(fd).reset();
      return true;
    });
  }
  os::UniqueFd(slot.fd).reset();
  const std::uint32_t generation = slot.generation + 1;
  const bool starved = slot.starved;
  slot = Slot{};
  slot.generation = generation & generation_mask;
  slot.starved = starved;  // its entry in starved_ is passed over
  free_slots_.push_back(index);
}

Result<> UringDriver::shutdown(Handle handle, int how) { return os::shutdown(slot_of(handle).fd, how); }

Result<os::Address> UringDriver::local_address(Handle handle) {
  return os::local_address(slot_of(handle).fd);
}

Result<os::Address> UringDriver::peer_address(Handle handle) {
  return os::peer_address(slot_of(handle).fd);
}

// --- requests ---

std::uint64_t UringDriver::user_data(std::uint32_t index, Tag tag) const noexcept {
  const std::uint64_t generation = index < slots_.size() ? slots_[index].generation : 0;
  return (std::uint64_t{index} << 32) | (generation << 8) | static_cast<std::uint64_t>(tag);
}

io_uring_sqe* UringDriver::request(std::uint32_t index, Tag tag) noexcept {
  io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
  while (!sqe) {  // full: hand over what is there
    io_uring_submit(&ring_);
    sqe = io_uring_get_sqe(&ring_);
  }
  std::memset(sqe, 0, sizeof *sqe);
  sqe->user_data = user_data(index, tag);
  ++in_flight_;
  return sqe;
}

void UringDriver::request_wakeup() noexcept {
  io_uring_sqe* sqe = request(0, Tag::wakeup);
  const std::uint64_t tag = sqe->user_data;
  io_uring_prep_poll_multishot(sqe, wakeup_.fd(), POLLIN);
  sqe->user_data = tag;
  --in_flight_;  // the ring's end is its end
}

void UringDriver::request_cancel(std::uint32_t index, Tag tag) noexcept {
  const std::uint64_t target = user_data(index, tag);
  io_uring_sqe* sqe = request(index, Tag::cancel);
  const std::uint64_t own = sqe->user_data;
  io_uring_prep_cancel64(sqe, target, 0);
  sqe->user_data = own;
}

void UringDriver::arm(std::uint32_t index) noexcept {
  Slot& slot = slots_[index];
  io_uring_sqe* sqe = request(index, slot.listens ? Tag::accept : Tag::receive);
  const std::uint64_t own = sqe->user_data;
  if (slot.listens) {
    io_uring_prep_multishot_accept(sqe, slot.fd, nullptr, nullptr, SOCK_CLOEXEC);
  } else {
    io_uring_prep_recv_multishot(sqe, slot.fd, nullptr, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = UringBuffers::group;
  }
  sqe->user_data = own;
  slot.armed = true;
  slot.cancelling = false;
  ++slot.in_flight;
}

void UringDriver::arm_starved() noexcept {
  if (starved_.empty() || buffers_.provided() == 0) return;
  std::vector<std::uint32_t> waiting;
  waiting.swap(starved_);
  for (const std::uint32_t index : waiting) {
    Slot& slot = slots_[index];
    slot.starved = false;
    if (slot.fd >= 0 && !slot.closing && slot.reader && !slot.armed) arm(index);
  }
}

void UringDriver::submit_send(Slot& slot, Op& op) noexcept {
  const auto index = static_cast<std::uint32_t>(&slot - slots_.data());
  io_uring_sqe* sqe = request(index, Tag::send);
  const std::uint64_t own = sqe->user_data;
  std::array<iovec, 64> room;
  const std::span<const iovec> rest = rest_of(op, room);
  if (op.moved == 0 && rest.size() > 1) {
    msghdr& message = messages_[static_cast<std::size_t>(sqe - ring_.sq.sqes)];
    message = {};
    message.msg_iov = const_cast<iovec*>(op.parts);
    message.msg_iovlen = std::min<std::size_t>(op.size, 1024);
    io_uring_prep_sendmsg(sqe, slot.fd, &message, MSG_NOSIGNAL | MSG_WAITALL);
  } else {
    const int flags = MSG_NOSIGNAL | MSG_WAITALL;
    io_uring_prep_send(sqe, slot.fd, rest[0].iov_base, rest[0].iov_len, flags);
  }
  sqe->user_data = own;
  ++slot.in_flight;
}

// --- operations ---

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
      POLYIO_ASSERT(!slot.writer);
      slot.writer = &op;
      submit_send(slot, op);
      return false;
    default: break;
  }
  slot.writer = &op;
  io_uring_sqe* sqe = request(op.handle.slot, Tag::connect);
  const std::uint64_t own = sqe->user_data;
  const auto& address = *static_cast<const os::Address*>(op.address);
  io_uring_prep_connect(sqe, slot.fd, address.data(), address.size());
  sqe->user_data = own;
  ++slot.in_flight;
  return false;
}

bool UringDriver::start_receive(Slot& slot, Op& op) noexcept {
  if (slot.first != no_piece) {
    op.result = deliver(slot, op);
    return true;
  }
  if (slot.ended || slot.error) {
    op.result = -slot.error;
    return true;
  }
  POLYIO_ASSERT(!slot.reader);
  slot.reader = &op;
  if (!slot.armed) arm(op.handle.slot);
  return false;
}

bool UringDriver::start_accept(Slot& slot, Op& op) noexcept {
  for (auto& [index, sockets] : accepted_) {
    if (index != op.handle.slot || sockets.empty()) continue;
    op.result = sockets.front();
    sockets.pop_front();
    return true;
  }
  POLYIO_ASSERT(!slot.reader);
  slot.reader = &op;
  if (!slot.armed) arm(op.handle.slot);
  return false;
}

// Hands the first queued piece to a receive; copies where the caller brought its own room.
std::int64_t UringDriver::deliver(Slot& slot, Op& op) noexcept {
  const std::uint32_t index = slot.first;
  Piece& piece = pieces_[index];
  std::uint32_t count = piece.size;
  if (op.leases) {
    op.data = piece.data;
    op.buffer = piece.buffer;
  } else {
    count = static_cast<std::uint32_t>(std::min<std::size_t>(op.size, count));
    std::memcpy(op.data, piece.data, count);
    piece.data += count;
    piece.size -= count;
    slot.queued -= count;
    if (piece.size > 0) return count;
    buffers_.give_back(piece.buffer);
  }
  if (op.leases) slot.queued -= count;
  slot.first = piece.next;
  if (slot.first == no_piece) slot.last = no_piece;
  free_pieces_.push_back(index);
  return count;
}

void UringDriver::queue_piece(Slot& slot, const Piece& piece) {
  if (free_pieces_.empty()) {
    pieces_.emplace_back();
    free_pieces_.push_back(static_cast<std::uint32_t>(pieces_.size() - 1));
  }
  const std::uint32_t index = free_pieces_.back();
  free_pieces_.pop_back();
  pieces_[index] = piece;
  if (slot.last == no_piece) {
    slot.first = index;
  } else {
    pieces_[slot.last].next = index;
  }
  slot.last = index;
  slot.queued += piece.size;
}

void UringDriver::drop_pieces(Slot& slot) noexcept {
  while (slot.first != no_piece) {
    const std::uint32_t index = slot.first;
    buffers_.give_back(pieces_[index].buffer);
    slot.first = pieces_[index].next;
    free_pieces_.push_back(index);
  }
  slot.last = no_piece;
  slot.queued = 0;
}

void UringDriver::give_back(std::uint32_t buffer) noexcept {
  buffers_.give_back(static_cast<std::uint16_t>(buffer));
}

void UringDriver::cancel(Op& op) {
  Slot& slot = slot_of(op.handle);
  if (slot.reader == &op) {  // the kernel fills our buffers, not the op's: it may go at once
    slot.reader = nullptr;
    return io().complete(op, -ECANCELED);
  }
  POLYIO_ASSERT(slot.writer == &op);
  request_cancel(op.handle.slot, op.kind == OpKind::send ? Tag::send : Tag::connect);
}

// --- completions ---

void UringDriver::poll(Deadline deadline) {
  arm_starved();
  wait(deadline);
  reap();
}

void UringDriver::wait(Deadline deadline) noexcept {
  if (io_uring_cq_ready(&ring_) > 0 || deadline == TimePoint::min()) {
    io_uring_submit_and_get_events(&ring_);
    return;
  }
  io_uring_cqe* cqe;
  if (deadline == never) {
    io_uring_submit_and_wait(&ring_, 1);
    return;
  }
  const auto span = std::max(deadline - monotonic_now(), Nanoseconds::zero());
  __kernel_timespec timeout{};
  timeout.tv_sec = span.count() / 1'000'000'000;
  timeout.tv_nsec = span.count() % 1'000'000'000;
  io_uring_submit_and_wait_timeout(&ring_, &cqe, 1, &timeout, nullptr);
}

void UringDriver::reap() {
  unsigned head;
  unsigned count = 0;
  io_uring_cqe* cqe;
  io_uring_for_each_cqe(&ring_, head, cqe) {
    handle(*cqe);
    ++count;
  }
  io_uring_cq_advance(&ring_, count);
}

void UringDriver::handle(const io_uring_cqe& cqe) {
  const auto tag = static_cast<Tag>(cqe.user_data & 0xff);
  const bool last = !(cqe.flags & IORING_CQE_F_MORE);
  if (tag == Tag::wakeup) {
    wakeup_.drain();
    if (last) request_wakeup();
    return;
  }
  if (last) --in_flight_;
  if (tag == Tag::cancel) return;
  const auto index = static_cast<std::uint32_t>(cqe.user_data >> 32);
  Slot& slot = slots_[index];
  // A slot's owner changes only after its last completion, so this one is of the present owner.
  POLYIO_ASSERT(((cqe.user_data >> 8) & generation_mask) == slot.generation);
  if (last) --slot.in_flight;
  switch (tag) {
    case Tag::receive: on_receive(index, slot, cqe); break;
    case Tag::accept: on_accept(index, slot, cqe); break;
    case Tag::send: on_send(slot, cqe.res); break;
    default:
      if (slot.writer) io().complete(*std::exchange(slot.writer, nullptr), cqe.res);
  }
  if (slot.closing && slot.in_flight == 0) finish_close(index);
}

void UringDriver::pause_if_flooded(std::uint32_t index, Slot& slot, std::size_t queued,
                                   std::size_t limit) noexcept {
  if (queued < limit || !slot.armed || slot.cancelling) return;
  slot.cancelling = true;
  request_cancel(index, slot.listens ? Tag::accept : Tag::receive);
}

void UringDriver::on_receive(std::uint32_t index, Slot& slot, const io_uring_cqe& cqe) {
  if (!(cqe.flags & IORING_CQE_F_MORE)) slot.armed = slot.cancelling = false;
  if (cqe.flags & IORING_CQE_F_BUFFER) {
    const auto id = static_cast<std::uint16_t>(cqe.flags >> IORING_CQE_BUFFER_SHIFT);
    const auto count = static_cast<std::uint32_t>(std::max(cqe.res, 0));
    std::byte* data = buffers_.taken(id, count, cqe.flags & uring::buffer_more);
    if (count == 0 || slot.closing) {
      buffers_.give_back(id);
    } else {
      queue_piece(slot, {data, count, no_piece, id});
    }
  }
  if (slot.closing) return;
  if (cqe.res == 0) {
    slot.ended = true;
  } else if (cqe.res < 0 && cqe.res != -ENOBUFS && cqe.res != -ECANCELED && cqe.res != -EINTR) {
    slot.error = -cqe.res;
  }
  Op* const reader = slot.reader;
  if (!reader) return pause_if_flooded(index, slot, slot.queued, receive_limit);
  if (slot.first != no_piece) {
    slot.reader = nullptr;
    io().complete(*reader, deliver(slot, *reader));
  } else if (slot.ended || slot.error) {
    slot.reader = nullptr;
    io().complete(*reader, -slot.error);
  } else if (!slot.armed && cqe.res == -ENOBUFS) {
    if (!std::exchange(slot.starved, true)) starved_.push_back(index);
  } else if (!slot.armed) {
    arm(index);
  }
}

void UringDriver::on_accept(std::uint32_t index, Slot& slot, const io_uring_cqe& cqe) {
  if (!(cqe.flags & IORING_CQE_F_MORE)) slot.armed = slot.cancelling = false;
  if (slot.closing) return os::UniqueFd(cqe.res).reset();
  if (slot.reader && cqe.res != -ECANCELED) {
    return io().complete(*std::exchange(slot.reader, nullptr), cqe.res);
  }
  if (slot.reader && !slot.armed) return arm(index);
  if (cqe.res < 0) return;  // nobody waits: the next accept meets it again
  for (auto& [listener, sockets] : accepted_) {
    if (listener == index) {
      sockets.push_back(cqe.res);
      return pause_if_flooded(index, slot, sockets.size(), accept_limit);
    }
  }
  accepted_.emplace_back(index, std::deque<int>{cqe.res});
}

void UringDriver::on_send(Slot& slot, int result) {
  Op& op = *slot.writer;
  if (result > 0) {
    op.moved += static_cast<std::size_t>(result);
    if (op.moved < total_of(op)) {
      if (!op.cancel_requested) return submit_send(slot, op);
      result = -ECANCELED;
    } else {
      result = static_cast<int>(op.moved);
    }
  } else if (result == -EINTR || result == -EAGAIN) {
    if (!op.cancel_requested) return submit_send(slot, op);
    result = -ECANCELED;
  }
  slot.writer = nullptr;
  io().complete(op, result);
}

}  // namespace polyio
