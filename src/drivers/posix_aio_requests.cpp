// PosixAioDriver: receives and sends, as requests of glibc's helper threads.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <polyio/os/socket.hpp>

#include <polyio/io/pieces.hpp>

#include "iovec.hpp"
#include "posix_aio_driver.hpp"

namespace polyio {
namespace {

// What a helper may wait inside a write for a peer that does not read. After that the loop waits
// for the peer, and a cancellation waits for no longer than this (and once more what a Unix socket
// takes per piece of a write).
constexpr timeval write_limit{.tv_sec = 0, .tv_usec = 20'000};
constexpr std::size_t write_most = 256 * 1024;   // bytes of one request
constexpr std::size_t gather_below = 16 * 1024;  // a piece smaller than that is sent with the next
// Buffers that leases hold at most: handlers that hold one each and wait for another can go on.
constexpr std::size_t lent_most = aio::most_connections + 64;

}  // namespace

aio::Request& PosixAioDriver::request_of(Slot& slot, bool writes) noexcept {
  return writes ? connections_.writer(slot.permit) : connections_.reader(slot.permit);
}

// The descriptor on which the other direction's request is not in flight; -1: no more can be had.
int PosixAioDriver::spare_descriptor(Slot& slot, bool writes) noexcept {
  const bool other = writes ? slot.reading : slot.writing;
  if (!other) return slot.fd;
  if (request_of(slot, !writes).fd() != slot.fd) return slot.fd;
  if (slot.second_fd < 0) slot.second_fd = ::fcntl(slot.fd, F_DUPFD_CLOEXEC, 0);
  return slot.second_fd;
}

// --- receiving ---

// A read that was left in flight, by a receive that ended first, may have taken what arrived.
bool PosixAioDriver::quiet(Handle handle) {
  const Slot& slot = slot_of(handle);
  if (slot.reading || slot.piece_size > 0 || slot.ended || slot.error) return false;
  return Driver::quiet(handle);
}

bool PosixAioDriver::start_receive(Slot& slot, Op& op) {
  if (slot.piece_size > 0) return finish(slot, op, deliver(slot, op));
  if (slot.ended || slot.error) return finish(slot, op, -slot.error);
  POLYIO_ASSERT(!slot.reader);
  slot.reader = &op;
  if (slot.reading) return false;  // that of a receive that was cancelled
  if (op.leases && lent_ >= lent_most) {
    starved_.push_back(job_of(op));
    return false;
  }
  const int error = submit_read(op.handle.slot, slot);
  return error ? finish(slot, op, error) : false;
}

int PosixAioDriver::submit_read(std::uint32_t index, Slot& slot) {
  aio::Request& request = request_of(slot, false);
  request.slot = index;
  const int spare = spare_descriptor(slot, false);
  try {
    slot.read_buffer = buffers_.take();
  } catch (const std::bad_alloc&) {
    return -ENOMEM;  // also for who comes from a completion
  }
  // Without a spare one it waits for the write before it, which ends in bounded time.
  const int error = request.read(mailbox_, spare < 0 ? slot.fd : spare,
                                 buffers_.data(slot.read_buffer), BufferPool::buffer_size);
  if (error) {
    drop_piece(slot);
    return error;
  }
  slot.reading = true;
  ++in_flight_;
  return 0;
}

// Hands what a read brought to a receive; copies where the caller brought its own room.
std::int64_t PosixAioDriver::deliver(Slot& slot, Op& op) noexcept {
  std::byte* const data = buffers_.data(slot.read_buffer) + slot.piece_at;
  if (op.leases) {
    op.data = data;
    op.buffer = std::exchange(slot.read_buffer, BufferPool::none);
    ++lent_;
    return std::exchange(slot.piece_size, 0);
  }
  const auto count = static_cast<std::uint32_t>(std::min<std::size_t>(op.size, slot.piece_size));
  std::memcpy(op.data, data, count);
  slot.piece_at += count;
  slot.piece_size -= count;
  if (slot.piece_size == 0) drop_piece(slot);
  return count;
}

void PosixAioDriver::drop_piece(Slot& slot) noexcept {
  if (slot.reading || slot.read_buffer == BufferPool::none) return;
  buffers_.give_back(std::exchange(slot.read_buffer, BufferPool::none));
  slot.piece_size = 0;
}

void PosixAioDriver::give_back(std::uint32_t buffer) noexcept {
  buffers_.give_back(buffer);
  --lent_;
  if (Job* job = starved_.pop_front()) io().make_ready(*job);
}

void PosixAioDriver::cancel_receive(Slot& slot, Op& op) {
  static_cast<ListNode<ReadyTag>&>(job_of(op)).unlink();  // from starved_
  if (slot.reading) {
    // Draining, the read is ended too: with what has arrived, if something has, which is delivered.
    if (io().draining()) return (void)os::shutdown(slot.fd, SHUT_RD);
    if (request_of(slot, false).over()) return;  // it has succeeded; that is on its way here
  }
  slot.reader = nullptr;
  io().complete(op, -ECANCELED);
}

void PosixAioDriver::on_read(std::uint32_t index, Slot& slot, std::int64_t result) {
  slot.reading = false;
  if (slot.closing) return drop_piece(slot);
  if (result == -ECANCELED) {  // no helper had time for it (look_after): by hand
    result = os::receive_now(slot.fd, {buffers_.data(slot.read_buffer), BufferPool::buffer_size});
    if (result == -EAGAIN) {
      drop_piece(slot);
      const int error = submit_read(index, slot);
      if (!error) return;
      result = error;
    }
  }
  if (result > 0) {
    slot.piece_at = 0;
    slot.piece_size = static_cast<std::uint32_t>(result);
  } else {
    drop_piece(slot);
    slot.ended = result == 0;
    slot.error = static_cast<int>(-result);
  }
  if (!slot.reader) return;
  Op& op = *std::exchange(slot.reader, nullptr);
  io().complete(op, result > 0 ? deliver(slot, op) : result);
}

// --- sending ---

bool PosixAioDriver::start_send(Slot& slot, Op& op) {
  POLYIO_ASSERT(!slot.writer);
  if (total_of(op) == 0) return finish(slot, op, 0);
  return submit_write(slot, op);
}

// The bytes of the next request: aio_write(3) takes one piece, so small ones are put together.
std::span<const std::byte> PosixAioDriver::next_to_write(Slot& slot, const Op& op) {
  std::array<Part, 64> room;
  const std::span<const Part> rest = rest_of(op, room);
  std::size_t first = 0;
  while (rest[first].size == 0) ++first;
  const std::byte* const data = rest[first].data;
  if (rest[first].size >= gather_below || first + 1 == rest.size()) {
    return {data, std::min(rest[first].size, write_most)};
  }
  try {
    slot.write_buffer = buffers_.take();
  } catch (const std::bad_alloc&) {
    return {data, rest[first].size};  // one by one, then
  }
  std::byte* const gathered = buffers_.data(slot.write_buffer);
  std::size_t size = 0;
  for (const Part& part : rest.subspan(first)) {
    const std::size_t count = std::min(part.size, BufferPool::buffer_size - size);
    if (count > 0) std::memcpy(gathered + size, part.data, count);
    size += count;
  }
  return {gathered, size};
}

bool PosixAioDriver::submit_write(Slot& slot, Op& op) {
  slot.writer = &op;
  const int fd = spare_descriptor(slot, true);
  if (fd < 0) return send_by_hand(slot, op);
  if (!slot.limited) {  // a helper that waits without a limit could not be got back
    slot.limited =
        ::setsockopt(slot.fd, SOL_SOCKET, SO_SNDTIMEO, &write_limit, sizeof write_limit) == 0;
    if (!slot.limited) return send_by_hand(slot, op);
  }
  aio::Request& request = request_of(slot, true);
  request.slot = op.handle.slot;
  const std::span<const std::byte> bytes = next_to_write(slot, op);
  if (const int error = request.write(mailbox_, fd, bytes.data(), bytes.size())) {
    if (slot.write_buffer != BufferPool::none) {
      buffers_.give_back(std::exchange(slot.write_buffer, BufferPool::none));
    }
    return finish(slot, op, error);
  }
  slot.writing = true;
  ++in_flight_;
  return false;
}

// Where no request can be made, or no helper has time: what send(2) takes at once, again and again.
bool PosixAioDriver::send_by_hand(Slot& slot, Op& op) {
  const std::size_t total = total_of(op);
  std::array<Part, 64> room;
  for (;;) {
    const std::int64_t count = os::send_now(slot.fd, as_iovec(rest_of(op, room)));
    if (count == -EAGAIN) return wait_for(slot, op, POLLOUT);
    if (count < 0) return finish(slot, op, count);
    op.moved += static_cast<std::size_t>(count);
    if (op.moved == total) return finish(slot, op, static_cast<std::int64_t>(total));
    op.progressed(io().now());
  }
}

void PosixAioDriver::on_write(Slot& slot, std::int64_t result) {
  slot.writing = false;
  if (slot.write_buffer != BufferPool::none) {
    buffers_.give_back(std::exchange(slot.write_buffer, BufferPool::none));
  }
  Op& op = *slot.writer;
  bool ended = true;
  op.result = result;
  if (result >= 0) {
    op.moved += static_cast<std::size_t>(result);
    op.progressed(io().now());  // progress, as the idle timeout counts it
    const std::size_t total = total_of(op);
    op.result = op.moved == total ? static_cast<std::int64_t>(total) : -ECANCELED;
    if (op.moved < total && !op.cancel_requested) ended = submit_write(slot, op);
  } else if (result == -EAGAIN || result == -ECANCELED) {
    // The peer does not read (write_limit), or no helper had time for it (look_after).
    op.result = -ECANCELED;
    if (!op.cancel_requested) ended = send_by_hand(slot, op);
  }
  if (!ended) return;
  slot.writer = nullptr;
  io().complete(op, op.result);
}

// --- both ---

void PosixAioDriver::completed(aio::Request& request) {
  --in_flight_;
  const std::uint32_t index = request.slot;
  Slot& slot = slots_[index];
  std::int64_t result = request.result();
  // glibc could not notify and says so where the result was: what was moved is not known any more.
  if (request.lost && result == -EAGAIN) result = -ENOBUFS;
  if (request.writes) {
    on_write(slot, result);
  } else {
    on_read(index, slot, result);
  }
  if (slot.closing && !slot.reading) finish_close(index);
}

}  // namespace polyio
