#include <sys/socket.h>

#include <cerrno>
#include <polyio/os/unique_fd.hpp>
#include <string>
#include <system_error>

#include "uring_driver.hpp"
#include "uring_ring.hpp"

namespace polyio {
namespace {

std::string problem(const char* what, int error) {
  return std::string(what) + ": " + std::generic_category().message(error);
}

// A multishot receive into a provided buffer: what the driver stands on.
std::string probe_receive(io_uring& ring) {
  UringBuffers buffers(lease_limit);
  if (int error = buffers.open(ring)) return problem("provided buffers", -error);
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
    return problem("socketpair", errno);
  }
  os::UniqueFd ours(pair[0]), theirs(pair[1]);
  io_uring_sqe* sqe = io_uring_get_sqe(&ring);
  io_uring_prep_recv_multishot(sqe, ours.get(), nullptr, 0, 0);
  sqe->flags |= IOSQE_BUFFER_SELECT;
  sqe->buf_group = UringBuffers::group;
  if (::send(theirs.get(), "x", 1, MSG_NOSIGNAL) != 1) return problem("send", errno);
  theirs.reset();  // the end of file ends the request
  for (bool more = true, received = false; more;) {
    io_uring_cqe* cqe;
    int error = io_uring_submit_and_wait(&ring, 1);
    if (error >= 0) error = io_uring_wait_cqe(&ring, &cqe);
    if (error < 0) return problem("io_uring_enter", -error);
    if (cqe->res < 0) return problem("multishot receive", -cqe->res);
    more = cqe->flags & IORING_CQE_F_MORE;
    received = received || cqe->res == 1;
    io_uring_cqe_seen(&ring, cqe);
    if (!more && !received) return "multishot receive: nothing arrived";
  }
  return {};
}

}  // namespace

std::string probe_io_uring() {
  io_uring ring{};
  const auto open = [&] { return uring::open(ring); };
  if (int error = uring::once_memory_is_back(open)) return problem("io_uring_setup", -error);
  const uring::Closing closing(ring);
  if (int error = uring::enable(ring)) return problem("io_uring_register", -error);
  return probe_receive(ring);
}

}  // namespace polyio
