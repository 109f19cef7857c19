// Connect: `connections` slots, each connects, exchanges one message, closes and starts again.
// Idle: connections that do nothing, and what the server's memory grows by for each.
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <random>
#include <stdexcept>
#include <thread>

#include "network.hpp"
#include "options.hpp"
#include "pattern.hpp"
#include "process.hpp"
#include "report.hpp"

namespace polyio::lab {
namespace {

struct Slot {
  int fd = -1;
  std::size_t received = 0;
  bool sent = false;
  std::int64_t started = 0;
};

class Connects {
 public:
  explicit Connects(const Options& options)
      : options_(options),
        epoll_(options.spin),
        watchdog_(options.patience),
        slots_(options.connections),
        buffer_(options.size) {
    if (options.size > 16384) throw std::invalid_argument("--size: at most 16384 here");
    // Our end closes first and stays in TIME_WAIT: another run must not meet its addresses.
    std::random_device random;
    source_ = 0x7f010000u + random() % 0x00f00000u;
  }
  ~Connects() {
    for (const Slot& slot : slots_) {
      if (slot.fd >= 0) close(slot.fd);
    }
  }
  Connects(const Connects&) = delete;
  Connects& operator=(const Connects&) = delete;

  Json run() {
    if (options_.warmup > 0) phase(options_.warmup, 0);
    latency_ = {};
    done_ = 0;
    Measurement measurement;
    measurement.start(options_);
    const std::int64_t elapsed = phase(options_.seconds, options_.requests);
    measurement.stop(options_);
    return measurement.report(options_, done_, done_ * options_.size, elapsed, latency_);
  }

 private:
  std::int64_t phase(double seconds, std::uint64_t requests) {
    const std::int64_t start = now_ns();
    const std::int64_t end = start + static_cast<std::int64_t>(seconds * 1e9);
    watchdog_.moved(start);
    sending_ = true;
    for (Slot& slot : slots_) open(slot);
    while (open_ > 0) {
      for (const epoll_event& event : epoll_.wait(100'000'000)) {
        step(slots_[event.data.u64]);
      }
      const std::int64_t now = now_ns();
      sending_ = requests > 0 ? done_ + open_ < requests : now < end;
      watchdog_.check(now, fmt::format("{} connections", open_));
    }
    return last_done_ - start;
  }

  void open(Slot& slot) {
    if (started_++ % 4000 == 3999) ++source_;
    slot = {socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), 0, false, now_ns()};
    if (slot.fd < 0) fail("socket");
    const int on = 1;
    setsockopt(slot.fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    sockaddr_in source{};
    source.sin_family = AF_INET;
    source.sin_addr.s_addr = htonl(source_);
    if (bind(slot.fd, reinterpret_cast<sockaddr*>(&source), sizeof source) != 0) fail("bind");
    const auto* server = reinterpret_cast<const sockaddr*>(&options_.server);
    if (connect(slot.fd, server, sizeof options_.server) != 0 && errno != EINPROGRESS) {
      fail("connect");
    }
    ++open_;
    // Over loopback the connection mostly stands by now.
    say(slot);
    const auto index = static_cast<std::uint64_t>(&slot - slots_.data());
    epoll_.add(slot.fd, index, slot.sent ? EPOLLIN : EPOLLOUT);
  }

  void say(Slot& slot) {
    const ssize_t n = send(slot.fd, pattern_.sent(0), options_.size, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != ENOTCONN) fail("send");
    slot.sent = n == static_cast<ssize_t>(options_.size);
    if (n >= 0 && !slot.sent) throw std::runtime_error("a first message was cut short");
  }

  void step(Slot& slot) {
    if (!slot.sent) {
      say(slot);
      if (slot.sent)
        epoll_.modify(slot.fd, static_cast<std::uint64_t>(&slot - slots_.data()), EPOLLIN);
      return;
    }
    const std::size_t wanted = options_.size - slot.received;
    const ssize_t n = recv(slot.fd, buffer_.data(), wanted, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) fail("recv");
    if (n == 0) throw std::runtime_error("the server closed a connection without an answer");
    const auto size = static_cast<std::size_t>(n);
    if (std::memcmp(buffer_.data(), pattern_.answer(slot.received), size) != 0) {
      throw std::runtime_error("wrong answer");
    }
    slot.received += size;
    if (slot.received < options_.size) return;
    close(slot.fd);
    slot.fd = -1;
    last_done_ = now_ns();
    latency_.add(last_done_ - slot.started);
    watchdog_.moved(last_done_);
    ++done_;
    --open_;
    if (sending_) open(slot);
  }

  const Options& options_;
  Pattern pattern_;
  Epoll epoll_;
  Watchdog watchdog_;
  std::vector<Slot> slots_;
  std::vector<char> buffer_;
  Histogram latency_;
  std::uint32_t source_ = 0;
  bool sending_ = false;
  std::int64_t last_done_ = 0;
  std::uint64_t started_ = 0;
  std::uint64_t open_ = 0;
  std::uint64_t done_ = 0;
};

// One message there and back, waiting.
void exchange(int fd, const Pattern& pattern, std::size_t size) {
  std::vector<char> answer(size);
  if (send(fd, pattern.sent(0), size, MSG_NOSIGNAL) != static_cast<ssize_t>(size)) fail("send");
  if (recv(fd, answer.data(), size, MSG_WAITALL) != static_cast<ssize_t>(size)) fail("recv");
  if (std::memcmp(answer.data(), pattern.answer(0), size) != 0) {
    throw std::runtime_error("wrong answer");
  }
}

}  // namespace

Json run_connect(const Options& options) { return Connects(options).run(); }

Json run_idle(const Options& options) {
  if (options.pid == 0) throw std::invalid_argument("idle needs --pid");
  const Pattern pattern;
  const int warm = connect_one(options.server, 0);
  const auto rest = std::chrono::milliseconds(static_cast<int>(options.warmup * 1000));
  if (options.touch) exchange(warm, pattern, options.size);
  std::this_thread::sleep_for(rest);
  const std::size_t descriptors = descriptors_of(options.pid);
  const Memory before = memory_of(options.pid);
  const std::int64_t start = now_ns();
  std::vector<int> fds;
  for (std::size_t i = 0; i < options.connections; ++i) {
    fds.push_back(connect_one(options.server, i + 1));
    if (options.touch) exchange(fds.back(), pattern, options.size);
  }
  // A server that hides its descriptors gets the time all the same.
  if (!options.touch) wait_for_descriptors(options.pid, descriptors + options.connections, 3);
  const std::int64_t took = now_ns() - start;
  std::this_thread::sleep_for(rest);
  const Memory after = memory_of(options.pid);
  for (const int fd : fds) close(fd);
  close(warm);

  Json json;
  json["operations"] = options.connections;
  json["seconds"] = std::floor(static_cast<double>(took) / 1e6) / 1000;
  add_memory(json, before, after, options.connections);
  return json;
}

}  // namespace polyio::lab
