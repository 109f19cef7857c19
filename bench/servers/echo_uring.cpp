// The limit of every io_uring server: multishot accept and receive, buffers the kernel picks, one
// io_uring_enter per turn, one send in flight per connection, sent from where it was received.
#include "common.hpp"
#include "uring.hpp"

namespace {

using bench::Kind;

struct Slice {
  char* bytes = nullptr;
  std::uint32_t size = 0;
  std::uint16_t buffer = 0;
};

struct Connection {
  Slice sending;              // in flight while size > 0
  std::vector<Slice> queued;  // what arrived meanwhile
  bool finished = false;      // the peer is: close once all is sent
};

class Server {
 public:
  explicit Server(int listener) : listener_(listener) { ring_.accept(listener); }

  void run(bench::Spin spin) {
    for (unsigned count = 0;;) {
      count = ring_.turn([this](const io_uring_cqe& cqe) { take(cqe); }, spin.again(count > 0));
      // Only now: buffers came back in this turn.
      if (starved_.empty() || !returned_) continue;
      for (const int fd : starved_) ring_.receive(fd);
      starved_.clear();
      returned_ = false;
    }
  }

 private:
  void take(const io_uring_cqe& cqe) {
    const int fd = bench::connection_of(cqe.user_data);
    switch (bench::kind_of(cqe.user_data)) {
      case Kind::accept:
        if (cqe.res >= 0) ring_.receive(cqe.res);
        if ((cqe.flags & IORING_CQE_F_MORE) == 0) ring_.accept(listener_);
        return;
      case Kind::receive: return received(fd, cqe);
      case Kind::send: return sent(fd, cqe.res);
    }
  }

  void received(int fd, const io_uring_cqe& cqe) {
    Connection& connection = connections_[static_cast<std::size_t>(fd)];
    if (cqe.res > 0) {
      Slice slice;
      slice.bytes = buffers_.take(cqe, slice.buffer);
      slice.size = static_cast<std::uint32_t>(cqe.res);
      bench::upper(slice.bytes, slice.size);
      if (connection.sending.size == 0) {
        send(fd, connection, slice);
      } else {
        connection.queued.push_back(slice);
      }
      if ((cqe.flags & IORING_CQE_F_MORE) == 0) ring_.receive(fd);
    } else if (cqe.res == -ENOBUFS) {
      starved_.push_back(fd);
    } else {
      connection.finished = true;
      if (connection.sending.size == 0) finish(fd, connection);
    }
  }

  void send(int fd, Connection& connection, Slice slice) {
    connection.sending = slice;
    ring_.send(fd, slice.bytes, slice.size);
  }

  void sent(int fd, int result) {
    Connection& connection = connections_[static_cast<std::size_t>(fd)];
    const bool failed = result != static_cast<int>(connection.sending.size);
    release(connection.sending);
    connection.sending.size = 0;
    if (failed) {
      shutdown(fd, SHUT_RDWR);  // the receive ends
      for (const Slice& slice : connection.queued) release(slice);
      connection.queued.clear();
    } else if (!connection.queued.empty()) {
      const Slice slice = connection.queued.front();
      connection.queued.erase(connection.queued.begin());
      return send(fd, connection, slice);
    }
    if (connection.finished) finish(fd, connection);
  }

  void release(const Slice& slice) { returned_ = buffers_.release(slice.buffer) || returned_; }

  void finish(int fd, Connection& connection) {
    connection = {};
    close(fd);
  }

  int listener_;
  bench::Ring ring_{4096};
  bench::Buffers buffers_{ring_};
  std::vector<Connection> connections_ = std::vector<Connection>(65536);  // by descriptor
  std::vector<int> starved_;  // their receive ended because no buffer was free
  bool returned_ = false;     // a buffer came back since
};

}  // namespace

int main(int argc, char** argv) {
  Server(bench::listen_here(argc, argv, "hand-written io_uring, echo", 0)).run({argc, argv});
}
