// The limit of every epoll broadcast server: what was said during a turn leaves in one write per
// receiver, at its end.
#include <sys/epoll.h>

#include <vector>

#include "broadcast.hpp"

namespace {

struct Client {
  int fd = -1;
  bool blocked = false;
  bool gone = false;
  std::uint64_t place = 0;  // what it got of the log
  std::string partial;      // the beginning of a line
};

class Server {
 public:
  explicit Server(int listener) : listener_(listener) {
    control(EPOLL_CTL_ADD, listener, EPOLLIN, nullptr);
  }

  void run() {
    epoll_event events[512];
    for (;;) {
      const int count = epoll_wait(epoll_, events, 512, -1);
      for (int i = 0; i < count; ++i) {
        auto* client = static_cast<Client*>(events[i].data.ptr);
        if (client == nullptr) {
          accept_all();
        } else if ((events[i].events & EPOLLOUT) != 0) {
          client->blocked = false;
          control(EPOLL_CTL_MOD, client->fd, EPOLLIN, client);
          deliver(*client);
        } else {
          receive(*client);
        }
      }
      flush();
    }
  }

 private:
  void control(int operation, int fd, std::uint32_t events, Client* client) {
    epoll_event event{};
    event.events = events;
    event.data.ptr = client;
    if (epoll_ctl(epoll_, operation, fd, &event) != 0) bench::die("epoll_ctl");
  }

  void accept_all() {
    for (int fd; (fd = bench::accept_one(listener_)) >= 0;) {
      clients_.push_back(new Client{fd, false, false, log_.end(), {}});
      control(EPOLL_CTL_ADD, fd, EPOLLIN, clients_.back());
    }
  }

  void receive(Client& client) {
    const ssize_t n = recv(client.fd, bench::hot_buffer, bench::buffer_size, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0 || client.partial.size() > bench::max_line) {
      client.gone = someone_left_ = true;
      return;
    }
    bench::append_lines(log_, client.partial, {bench::hot_buffer, static_cast<std::size_t>(n)});
    if (log_.end() - flushed_ > bench::Log::capacity / 4) flush();
  }

  void flush() {
    if (flushed_ != log_.end()) {
      flushed_ = log_.end();
      for (Client* client : clients_) deliver(*client);
    }
    if (!someone_left_) return;
    std::erase_if(clients_, [](Client* client) {
      if (!client->gone) return false;
      close(client->fd);
      delete client;
      return true;
    });
    someone_left_ = false;
  }

  void deliver(Client& client) {
    if (client.blocked || client.gone) {
      // Too slow: what it has not got is about to be overwritten.
      if (log_.end() - client.place > bench::Log::capacity / 2) client.gone = someone_left_ = true;
      return;
    }
    const std::uint64_t size = log_.end() - client.place;
    const ssize_t n = send(client.fd, log_.at(client.place), size, MSG_NOSIGNAL);
    if (n >= 0) client.place += static_cast<std::uint64_t>(n);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
      client.gone = someone_left_ = true;
    } else if (client.place != log_.end()) {
      client.blocked = true;
      control(EPOLL_CTL_MOD, client.fd, EPOLLIN | EPOLLOUT, &client);
    }
  }

  int listener_;
  int epoll_ = epoll_create1(EPOLL_CLOEXEC);
  bench::Log log_;
  std::uint64_t flushed_ = 0;
  std::vector<Client*> clients_;
  bool someone_left_ = false;
};

}  // namespace

int main(int argc, char** argv) {
  Server(bench::listen_here(argc, argv, "hand-written epoll, broadcast")).run();
}
