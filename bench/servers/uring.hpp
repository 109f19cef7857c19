// What the hand-written io_uring servers share: the ring, set up for one thread that does its work
// when it asks for completions, and the buffers the kernel picks from.
#pragma once

#include <liburing.h>
#include <sys/mman.h>

#include <cstdint>
#include <vector>

#include "common.hpp"

namespace bench {

// liburing 2.3 knows fewer flags than the kernel.
inline constexpr unsigned pbuf_ring_inc = 2;         // Linux 6.12: a buffer is used up bit by bit
inline constexpr unsigned cqe_f_buf_more = 1u << 4;  // the buffer has room left

enum class Kind : std::uint8_t { accept, receive, send };

inline std::uint64_t tag(Kind kind, int connection) {
  return static_cast<std::uint64_t>(kind) << 32 | static_cast<std::uint32_t>(connection);
}
inline Kind kind_of(std::uint64_t tag) { return static_cast<Kind>(tag >> 32); }
inline int connection_of(std::uint64_t tag) { return static_cast<int>(tag & 0xffffffffu); }

class Ring {
 public:
  io_uring ring{};

  explicit Ring(unsigned entries) {
    io_uring_params params{};
    params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE;
    params.cq_entries = 65536;
    if (io_uring_queue_init_params(entries, &ring, &params) != 0) die("io_uring_setup");
    io_uring_register_ring_fd(&ring);
  }

  io_uring_sqe* next() {
    io_uring_sqe* sqe = io_uring_get_sqe(&ring);
    if (sqe == nullptr) {
      io_uring_submit(&ring);
      sqe = io_uring_get_sqe(&ring);
    }
    return sqe;
  }
  void accept(int listener) {
    io_uring_sqe* sqe = next();
    io_uring_prep_multishot_accept(sqe, listener, nullptr, nullptr, SOCK_CLOEXEC);
    sqe->user_data = tag(Kind::accept, listener);
  }
  // Multishot, into the buffers of group 0.
  void receive(int fd) {
    io_uring_sqe* sqe = next();
    io_uring_prep_recv_multishot(sqe, fd, nullptr, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = 0;
    sqe->user_data = tag(Kind::receive, fd);
  }
  // Completes once all is sent, or failed.
  void send(int fd, const char* bytes, std::size_t size) {
    io_uring_sqe* sqe = next();
    io_uring_prep_send(sqe, fd, bytes, size, MSG_NOSIGNAL | MSG_WAITALL);
    sqe->user_data = tag(Kind::send, fd);
  }

  // Submits, waits, and hands every completion to `take`: one io_uring_enter per turn. How many.
  template <class Take>
  unsigned turn(Take take, bool poll = false) {
    if (poll) {
      io_uring_submit_and_get_events(&ring);
    } else {
      io_uring_submit_and_wait(&ring, 1);
    }
    io_uring_cqe* cqe;
    unsigned head, count = 0;
    io_uring_for_each_cqe(&ring, head, cqe) {
      take(*cqe);
      ++count;
    }
    io_uring_cq_advance(&ring, count);
    return count;
  }
};

// Buffers that are used up incrementally: small messages fill one from end to end, so few lines of
// the cache are touched, and a large one has room.
class Buffers {
 public:
  static constexpr std::uint16_t count = 16;
  static constexpr std::uint32_t size = 64 * 1024;

  explicit Buffers(Ring& ring) : memory_(std::size_t{count} * size) {
    void* shared = mmap(nullptr, count * sizeof(io_uring_buf), PROT_READ | PROT_WRITE,
                        MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
    entries_ = static_cast<io_uring_buf*>(shared);  // not io_uring_buf_ring: 8 bytes off in C++
    io_uring_buf_reg registration{};
    registration.ring_addr = reinterpret_cast<std::uint64_t>(shared);
    registration.ring_entries = count;
    registration.pad = pbuf_ring_inc;  // the field `flags` of newer headers
    if (io_uring_register_buf_ring(&ring.ring, &registration, 0) != 0) die("buffer ring");
    for (std::uint16_t id = 0; id < count; ++id) give(id);
  }

  // What a receive brought: a slice of a buffer. Pair it with release().
  char* take(const io_uring_cqe& cqe, std::uint16_t& id) {
    id = static_cast<std::uint16_t>(cqe.flags >> IORING_CQE_BUFFER_SHIFT);
    State& state = states_[id];
    char* bytes = memory_.data() + std::size_t{id} * size + state.filled;
    state.filled += static_cast<std::uint32_t>(cqe.res);
    state.used_up = (cqe.flags & cqe_f_buf_more) == 0;
    ++state.slices;
    return bytes;
  }
  // True: a whole buffer went back to the kernel.
  bool release(std::uint16_t id) {
    State& state = states_[id];
    if (--state.slices > 0 || !state.used_up) return false;
    give(id);
    return true;
  }

 private:
  struct State {
    std::uint32_t filled = 0;
    std::uint32_t slices = 0;  // handed out
    bool used_up = false;      // the kernel puts nothing more into it
  };

  void give(std::uint16_t id) {
    states_[id] = {};
    io_uring_buf& entry = entries_[tail_ & (count - 1)];
    entry.addr = reinterpret_cast<std::uint64_t>(memory_.data() + std::size_t{id} * size);
    entry.len = size;
    entry.bid = id;
    // The ring's tail lies in the padding of its first entry.
    __atomic_store_n(&entries_[0].resv, ++tail_, __ATOMIC_RELEASE);
  }

  std::vector<char> memory_;
  io_uring_buf* entries_;
  State states_[count];
  std::uint16_t tail_ = 0;
};

}  // namespace bench
