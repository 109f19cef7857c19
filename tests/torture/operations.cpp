#include "operations.hpp"

#include <sys/socket.h>

#include <optional>

#include "table.hpp"

namespace polyio::torture {
namespace {

// Linux 6.10: a NOP whose completion carries sqe->len. Newer than liburing 2.3's header.
constexpr unsigned nop_inject_result = 1;

std::optional<Operation> operation_of(const io_uring_sqe& sqe) noexcept {
  switch (sqe.opcode) {
    case IORING_OP_ACCEPT: return Operation::accept;
    case IORING_OP_RECV: return Operation::recv;
    case IORING_OP_SEND: return Operation::send;
    case IORING_OP_SENDMSG: return Operation::sendmsg;
    case IORING_OP_RECVMSG: return Operation::recvmsg;
    case IORING_OP_CONNECT: return Operation::connect;
    case IORING_OP_POLL_ADD: return Operation::poll;
    default: return std::nullopt;  // a cancel: its failure would say that its target has ended
  }
}

void make_nop(io_uring_sqe& sqe, int result) noexcept {
  const auto user_data = sqe.user_data;
  sqe = {};
  sqe.opcode = IORING_OP_NOP;
  sqe.fd = -1;
  sqe.len = static_cast<unsigned>(result);
  sqe.rw_flags = nop_inject_result;
  sqe.user_data = user_data;
}

// One byte, or one event instead of many.
void shorten(io_uring_sqe& sqe) noexcept {
  switch (sqe.opcode) {
    case IORING_OP_ACCEPT: sqe.ioprio &= static_cast<__u16>(~IORING_ACCEPT_MULTISHOT); break;
    case IORING_OP_POLL_ADD: sqe.len &= ~IORING_POLL_ADD_MULTI; break;
    case IORING_OP_RECV:
      sqe.ioprio &= static_cast<__u16>(~IORING_RECV_MULTISHOT);
      sqe.len = 1;
      break;
    case IORING_OP_SEND: sqe.len = 1; break;
    case IORING_OP_SENDMSG: {
      const auto& message = *reinterpret_cast<const msghdr*>(sqe.addr);
      if (message.msg_name) return cannot_be();  // a datagram goes whole or not at all
      sqe.opcode = IORING_OP_SEND;
      sqe.addr = reinterpret_cast<__u64>(message.msg_iov[0].iov_base);
      sqe.len = 1;
      break;
    }
    default: break;
  }
}

// What of which ring has been walked: after a submission that failed the same entries come again.
struct Walked {
  const io_uring* ring = nullptr;
  unsigned upto = 0;
};
thread_local Walked walked;

}  // namespace

void spoil_operations(io_uring& ring) noexcept {
  const io_uring_sq& queue = ring.sq;
  unsigned from = queue.sqe_head;
  if (walked.ring == &ring && walked.upto - from <= queue.sqe_tail - from) from = walked.upto;
  for (; from != queue.sqe_tail; ++from) {
    io_uring_sqe& sqe = queue.sqes[from & queue.ring_mask];
    const auto operation = operation_of(sqe);
    const int fault = operation ? next_operation(*operation) : 0;
    if (fault > 0) make_nop(sqe, -fault);
    if (fault == made_short) shorten(sqe);
  }
  walked = {&ring, queue.sqe_tail};
}

void forget_walked(const io_uring& ring) noexcept {
  if (walked.ring == &ring) walked = {};
}

bool operations_can_fail() {
  io_uring ring{};
  if (::io_uring_queue_init(2, &ring, 0) != 0) return false;
  io_uring_sqe* const sqe = io_uring_get_sqe(&ring);
  make_nop(*sqe, -ETIMEDOUT);
  io_uring_cqe* cqe = nullptr;
  const bool done = ::io_uring_submit(&ring) == 1 && io_uring_wait_cqe(&ring, &cqe) == 0;
  const bool works = done && cqe->res == -ETIMEDOUT;
  ::io_uring_queue_exit(&ring);
  return works;
}

}  // namespace polyio::torture
