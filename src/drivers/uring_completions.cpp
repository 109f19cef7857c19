// UringDriver: waiting, and what completions mean.
#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

#include <polyio/io/pieces.hpp>
#include "uring_driver.hpp"

namespace polyio {

namespace {

constexpr std::size_t receive_limit = 4;  // pieces queued for a handler that does not ask
constexpr std::size_t accept_limit = 64;  // connections likewise
constexpr Nanoseconds lacking_rest = std::chrono::milliseconds(10);

}  // namespace

void UringDriver::poll(Deadline deadline) {
  if (!starved_.empty() && buffers_.lacking()) {  // no event says when there is memory again
    (void)buffers_.replenish();
    if (buffers_.lacking()) deadline = std::min(deadline, monotonic_now() + lacking_rest);
  }
  if (buffers_.short_of_buffers()) buffers_.relax();
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
  if (buffers_.replenish() && !left_) end_read_ahead();
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
  POLYIO_ASSERT(((cqe.user_data >> 8) & 0xff'ffff) == owner_of(index));
  if (last) --slot.in_flight;
  switch (tag) {
    case Tag::receive: on_receive(index, slot, cqe); break;
    case Tag::accept: on_accept(index, slot, cqe); break;
    case Tag::send: on_send(slot, cqe.res); break;
    case Tag::datagram_in: on_message(slot, slot.reader, cqe.res); break;
    case Tag::datagram_out: on_message(slot, slot.writer, cqe.res); break;
    case Tag::ready: on_ready(slot, cqe.res); break;
    case Tag::readable: on_readable(index, slot, cqe); break;
    default: on_connect(slot, cqe.res);
  }
  if (slot.closing && slot.in_flight == 0) finish_close(index);
}

void UringDriver::pause_if_flooded(std::uint32_t index, Slot& slot, std::size_t queued,
                                   std::size_t limit) noexcept {
  if (queued >= limit && slot.armed && !slot.cancelling) end_armed(index);
}

void UringDriver::on_receive(std::uint32_t index, Slot& slot, const io_uring_cqe& cqe) {
  if (!(cqe.flags & IORING_CQE_F_MORE)) slot.armed = slot.cancelling = false;
  if (cqe.flags & IORING_CQE_F_BUFFER) {
    std::uint32_t id = cqe.flags >> IORING_CQE_BUFFER_SHIFT;
    const auto count = static_cast<std::uint32_t>(std::max(cqe.res, 0));
    std::byte* data = buffers_.taken(id, count);
    if (count == 0 || slot.closing) {
      buffers_.give_back(id);
    } else {
      if (buffers_.for_transit(id)) [[unlikely]]
        data = copy_from_transit(index, id, data, count);
      if (slot.reader && slot.reader->leases) {
        Op& reader = *std::exchange(slot.reader, nullptr);
        reader.data = data;
        reader.buffer = id;
        return io().complete(reader, count);
      }
      pieces_.push(slot.pieces, data, count, id);
    }
  }
  if (slot.closing) return;
  if (cqe.res == 0 || (cqe.res == -EIO && !slot.is_socket())) {  // EIO: a terminal that is closed
    slot.ended = true;
  } else if (cqe.res < 0 && cqe.res != -ENOBUFS && cqe.res != -ECANCELED && cqe.res != -EINTR) {
    slot.error = -cqe.res;
  }
  Op* const reader = slot.reader;
  if (!reader) return pause_if_flooded(index, slot, slot.pieces.count, receive_limit);
  if (!slot.pieces.empty()) {
    slot.reader = nullptr;
    io().complete(*reader, pieces_.deliver(slot.pieces, *reader));
  } else if (slot.ended || slot.error) {
    slot.reader = nullptr;
    io().complete(*reader, -slot.error);
  } else if (slot.armed || left_) {
    return;  // more comes, or leave() hands it on
  } else if (cqe.res == -ENOBUFS) {
    if (!std::exchange(slot.starved, true)) starved_.push_back(index);
  } else {
    receive_more(index, slot);
  }
}

// Without memory for the copy the transit buffer is held like any other.
std::byte* UringDriver::copy_from_transit(std::uint32_t index, std::uint32_t& buffer,
                                          std::byte* data, std::uint32_t count) noexcept try {
  const std::size_t before = buffers_.copies();
  pieces_.make_room(buffers_.end_of_ids() + 1);
  data = buffers_.copy(buffer, count, {index, slots_.generation_of(index)});
  if (buffers_.copies() == before) io().lease_shortage();
  return data;
} catch (const std::bad_alloc&) {
  return data;
}

void UringDriver::on_accept(std::uint32_t index, Slot& slot, const io_uring_cqe& cqe) {
  if (!(cqe.flags & IORING_CQE_F_MORE)) slot.armed = slot.cancelling = false;
  if (slot.closing) return os::UniqueFd(cqe.res).reset();
  if (slot.reader && cqe.res != -ECANCELED) {
    return io().complete(*std::exchange(slot.reader, nullptr), cqe.res);
  }
  if (left_ && cqe.res < 0) return;  // leave() hands the accept on
  if (slot.retired && cqe.res == -ECANCELED && accept_what_waits(index)) return;
  if (slot.reader && slot.retired && !slot.armed) {
    return io().complete(*std::exchange(slot.reader, nullptr), -ECANCELED);
  }
  if (slot.reader && !slot.armed) return arm(index);
  if (cqe.res < 0) return;  // no accept waits: the next one meets it again
  pause_if_flooded(index, slot, queue_accepted(index, os::UniqueFd(cqe.res)), accept_limit);
}

// How many wait then; 0: there is no memory, and the connection's peer sees its end.
std::size_t UringDriver::queue_accepted(std::uint32_t listener, os::UniqueFd socket) noexcept try {
  std::deque<int>* queue = accepted_on(listener);
  if (!queue) queue = &accepted_.emplace_back(listener, std::deque<int>()).second;
  queue->push_back(socket.get());
  (void)socket.release();
  return queue->size();
} catch (const std::bad_alloc&) {
  return 0;
}

// Ends the operation in `place` with its request's result. If that was only interrupted the
// operation goes on, here or with the next driver, unless its end was asked for.
template <class Submit>
void UringDriver::end_or_submit_again(Op*& place, std::int64_t result, bool interrupted,
                                      Submit submit) {
  interrupted = interrupted || (left_ && result == -ECANCELED);
  if (interrupted && !left_ && !place->cancel_requested) return submit(*place);
  Op& op = *std::exchange(place, nullptr);
  if (interrupted && !op.cancel_requested) return io().make_ready(op);
  io().complete(op, interrupted ? -ECANCELED : result);
}

void UringDriver::on_send(Slot& slot, int result) {
  Op& op = *slot.writer;
  bool interrupted = result == -EINTR || result == -EAGAIN;
  if (result > 0) {
    op.moved += static_cast<std::size_t>(result);
    op.progressed(io().turn_began());  // progress, as the idle timeout counts it
    interrupted = op.moved < total_of(op);
  }
  const auto ended = result > 0 ? static_cast<std::int64_t>(op.moved) : result;
  end_or_submit_again(slot.writer, ended, interrupted, [&](Op& rest) { submit_send(slot, rest); });
}

void UringDriver::on_message(Slot& slot, Op*& place, int result) {
  const bool waits = !(place->kind == OpKind::send_to && (place->size & MSG_DONTWAIT));
  const bool interrupted = result == -EINTR || (result == -EAGAIN && waits);
  end_or_submit_again(place, result, interrupted, [&](Op& op) { submit_message(slot, op); });
}

void UringDriver::on_ready(Slot& slot, int result) {
  const bool interrupted = result == -EINTR || result == -EAGAIN;
  result = std::min(result, 0);  // the events that poll(2) would give are no result
  end_or_submit_again(slot.reader, result, interrupted, [&](Op& op) { submit_ready(slot, op); });
}

// Where another driver had begun it, it was the end of that which was waited for.
void UringDriver::on_connect(Slot& slot, int result) {
  Op& op = *slot.writer;
  if (op.moved && result > 0) result = -os::connect_outcome(static_cast<int>(op.handle.slot));
  const bool interrupted = op.moved && result == -ENOTCONN;
  // It goes on in the kernel, but on a Unix socket, where it had to wait for the queue.
  const auto& address = *static_cast<const os::Address*>(op.address);
  if (left_ && result == -ECANCELED) op.moved = address.family() != AF_UNIX;
  end_or_submit_again(slot.writer, result, interrupted, [&](Op& it) { submit_connect(slot, it); });
}

// The read that follows ends at once, and where another reader was quicker waits in the kernel.
void UringDriver::on_readable(std::uint32_t index, Slot& slot, const io_uring_cqe& cqe) {
  slot.polled = false;
  if (cqe.res < 0 || slot.closing || left_) return on_receive(index, slot, cqe);
  io_uring_sqe* sqe = request(index, Tag::receive);
  const int fd = static_cast<int>(index);
  io_uring_prep_read(sqe, fd, nullptr, UringBuffers::large_size, static_cast<__u64>(-1));
  sqe->flags |= IOSQE_BUFFER_SELECT;
  sqe->buf_group = UringBuffers::group;
  ++slot.in_flight;
  if (slot.cancelling) request_cancel(index, Tag::receive);
}

}  // namespace polyio
