// The limit of every io_uring broadcast server: one send in flight per receiver, it takes all that
// was said since the last one; a turn's sends are submitted together.
#include <vector>

#include "broadcast.hpp"
#include "uring.hpp"

namespace {

using bench::Kind;

struct Client {
  bool here = false;
  bool sending = false;
  bool finished = false;    // the peer is: close once nothing is in flight
  std::uint32_t seat = 0;   // in the list of those here
  std::uint64_t place = 0;  // what it got of the log
  std::string partial;      // the beginning of a line
};

class Server {
 public:
  explicit Server(int listener) : listener_(listener) { ring_.accept(listener); }

  void run() {
    for (;;) {
      ring_.turn([this](const io_uring_cqe& cqe) { take(cqe); });
      flush();
      for (const int fd : starved_) ring_.receive(fd);
      starved_.clear();
    }
  }

 private:
  Client& client(int fd) { return clients_[static_cast<std::size_t>(fd)]; }

  void take(const io_uring_cqe& cqe) {
    const int fd = bench::connection_of(cqe.user_data);
    switch (bench::kind_of(cqe.user_data)) {
      case Kind::accept:
        if (cqe.res >= 0) joined(cqe.res);
        if ((cqe.flags & IORING_CQE_F_MORE) == 0) ring_.accept(listener_);
        return;
      case Kind::receive: return received(fd, cqe);
      case Kind::send: return sent(fd, cqe.res);
    }
  }

  void joined(int fd) {
    client(fd) = {true, false, false, static_cast<std::uint32_t>(here_.size()), log_.end(), {}};
    here_.push_back(fd);
    ring_.receive(fd);
  }

  void received(int fd, const io_uring_cqe& cqe) {
    if (cqe.res > 0) {
      std::uint16_t buffer;
      const char* bytes = buffers_.take(cqe, buffer);
      bench::append_lines(log_, client(fd).partial, {bytes, static_cast<std::size_t>(cqe.res)});
      buffers_.release(buffer);
      if (log_.end() - flushed_ > bench::Log::capacity / 4) flush();
      if ((cqe.flags & IORING_CQE_F_MORE) == 0) starved_.push_back(fd);
      if (client(fd).partial.size() > bench::max_line) shutdown(fd, SHUT_RDWR);
    } else if (cqe.res == -ENOBUFS) {
      starved_.push_back(fd);
    } else {
      client(fd).finished = true;
      if (!client(fd).sending) leave(fd);
    }
  }

  void sent(int fd, int result) {
    Client& to = client(fd);
    to.sending = false;
    if (result < 0) shutdown(fd, SHUT_RDWR);  // the receive ends
    if (result > 0) to.place += static_cast<std::uint64_t>(result);
    if (to.finished) return leave(fd);
    if (result > 0 && to.place != log_.end()) behind_.push_back(fd);
  }

  void leave(int fd) {
    const std::uint32_t seat = client(fd).seat;
    here_[seat] = here_.back();
    client(here_[seat]).seat = seat;
    here_.pop_back();
    client(fd) = {};
    close(fd);
  }

  void flush() {
    if (flushed_ != log_.end()) {
      flushed_ = log_.end();
      for (const int fd : here_) deliver(fd);
    } else {
      for (const int fd : behind_) deliver(fd);
    }
    behind_.clear();
  }

  void deliver(int fd) {
    Client& to = client(fd);
    const std::uint64_t size = log_.end() - to.place;
    if (!to.here || size == 0) return;
    if (!to.sending) {
      to.sending = true;
      ring_.send(fd, log_.at(to.place), size);
    } else if (size > bench::Log::capacity / 2) {
      shutdown(fd, SHUT_RDWR);  // too slow: what it has not got is about to be overwritten
    }
  }

  int listener_;
  bench::Ring ring_{4096};
  bench::Buffers buffers_{ring_};
  bench::Log log_;
  std::uint64_t flushed_ = 0;
  std::vector<Client> clients_ = std::vector<Client>(65536);  // by descriptor
  std::vector<int> here_;
  std::vector<int> behind_;   // got a part of what was said, and nothing is in flight to them
  std::vector<int> starved_;  // their receive has to be armed again
};

}  // namespace

int main(int argc, char** argv) {
  Server(bench::listen_here(argc, argv, "hand-written io_uring, broadcast", 0)).run();
}
