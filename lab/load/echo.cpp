// Echo: connections send slices of a pattern, every byte of the answers is compared. Closed loop: a
// connection sends a message for every one answered, `depth` outstanding. Open loop: messages fall
// due at a fixed rate whatever the server does, and latency counts from when one fell due.
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <deque>
#include <limits>
#include <stdexcept>

#include "network.hpp"
#include "options.hpp"
#include "pattern.hpp"
#include "report.hpp"

namespace polyio::lab {
namespace {

constexpr std::uint64_t unlimited = std::numeric_limits<std::uint64_t>::max();

struct Connection {
  int fd = -1;
  std::uint64_t base = 0;            // where in the pattern its stream begins
  std::uint64_t sent = 0;            // bytes
  std::uint64_t received = 0;        // bytes
  std::uint64_t assigned = 0;        // messages it may send in all
  std::uint64_t answered = 0;        // messages
  bool blocked = false;              // the kernel's send buffer is full
  std::deque<std::int64_t> started;  // per unanswered message: when it was, or was to be, sent
};

class Echo {
 public:
  explicit Echo(const Options& options)
      : options_(options),
        epoll_(options.spin),
        watchdog_(options.patience),
        buffer_(Pattern::max_slice) {
    connections_.reserve(options.connections);
    const std::size_t all = options.connections;
    active_ = options.active == 0 ? all : std::min(options.active, all);
  }
  ~Echo() {
    for (const Connection& c : connections_) close(c.fd);
  }
  Echo(const Echo&) = delete;
  Echo& operator=(const Echo&) = delete;

  Json run() {
    Memory before, after;
    if (options_.memory) {  // the first alone: what it costs once is not counted
      connect(1);
      greet();
      settle();
      before = memory_of(options_.pid);
    }
    connect(options_.connections);
    greet();
    if (options_.memory) {
      settle();
      after = memory_of(options_.pid);
    }
    if (options_.warmup > 0) phase(options_.warmup, unlimited);
    latency_ = {};
    operations_ = bytes_ = 0;
    if (options_.halt) std::raise(SIGSTOP);
    Measurement measurement;
    measurement.start(options_);
    if (options_.every > 0) {
      measurement_ = &measurement;
      begin_interval(now_ns());
      phase(options_.seconds, unlimited);
      measurement_ = nullptr;
      return nullptr;
    }
    const std::int64_t elapsed =
        options_.requests > 0 ? phase(1e6, options_.requests) : phase(options_.seconds, unlimited);
    measurement.stop(options_);
    if (options_.halt) std::raise(SIGSTOP);
    Json json = measurement.report(options_, operations_, bytes_, elapsed, latency_);
    if (options_.memory) add_memory(json, before, after, options_.connections - 1);
    return json;
  }

 private:
  // Until `count` are connected, one after the other; waits where the server can't keep up.
  void connect(std::size_t count) {
    for (std::size_t i = connections_.size(); i < count; ++i) {
      Connection& c = connections_.emplace_back();
      c.fd = connect_one(options_.server, i);
      c.base = i * 977;
      epoll_.add(c.fd, i);
    }
  }

  // Every connection exchanges one message, so the server has accepted them all.
  void greet() {
    const std::int64_t now = now_ns();
    budget_ = unlimited;
    for (Connection& c : connections_) {
      assign(c, now);
      flush(c);
    }
    drain();
  }

  // Sends for `seconds`, or `requests` messages, then waits for what is outstanding. Returns the
  // nanoseconds to the last answer.
  std::int64_t phase(double seconds, std::uint64_t requests) {
    const std::int64_t start = now_ns();
    const std::int64_t end = start + static_cast<std::int64_t>(seconds * 1e9);
    budget_ = requests;
    sending_ = true;
    due_ = static_cast<double>(start);
    if (options_.rate == 0) fill(start);
    for (std::int64_t now = start; now < end && budget_ > 0; now = now_ns()) {
      if (measurement_ && now >= interval_end_) print_interval(now);
      if (options_.rate > 0) release(now);
      turn(wait_time(now, end));
      if (outstanding_ > 0) watchdog_.check(now, fmt::format("{} answers", outstanding_));
    }
    sending_ = false;
    drain();
    return last_answer_ - start;
  }

  void begin_interval(std::int64_t now) {
    interval_begin_ = now;
    interval_end_ = now + static_cast<std::int64_t>(options_.every * 1e9);
    latency_ = {};
    operations_ = bytes_ = 0;
  }

  void print_interval(std::int64_t now) {
    measurement_->stop(options_, false);
    const std::int64_t span = now - interval_begin_;
    const Json json = measurement_->report(options_, operations_, bytes_, span, latency_);
    fmt::print("{}\n", json.dump());
    std::fflush(stdout);
    measurement_->start(options_, false);
    begin_interval(now);
  }

  void drain() {
    while (outstanding_ > 0) {
      turn(100'000'000);
      watchdog_.check(now_ns(), fmt::format("{} answers", outstanding_));
    }
  }

  void fill(std::int64_t now) {
    for (std::size_t i = 0; i < active_; ++i) {
      for (std::size_t d = 0; d < options_.depth; ++d) assign(connections_[i], now);
      flush(connections_[i]);
    }
  }

  // Open loop: hands out what has fallen due.
  void release(std::int64_t now) {
    const double gap = 1e9 / options_.rate;
    while (due_ <= static_cast<double>(now) && budget_ > 0) {
      Connection& c = connections_[next_++ % active_];
      assign(c, static_cast<std::int64_t>(due_));
      flush(c);
      due_ += gap;
    }
  }

  std::int64_t wait_time(std::int64_t now, std::int64_t end) const {
    std::int64_t until = std::min<std::int64_t>(end, now + 1'000'000'000);
    if (measurement_) until = std::min(until, interval_end_);
    // Sleeping overshoots: the last stretch before a message falls due is polled.
    if (options_.rate > 0) until = std::min(until, static_cast<std::int64_t>(due_) - 100'000);
    return std::max<std::int64_t>(until - now, 0);
  }

  void assign(Connection& c, std::int64_t start) {
    if (budget_ == 0) return;
    --budget_;
    ++c.assigned;
    if (outstanding_++ == 0) watchdog_.moved(start);
    c.started.push_back(start);
  }

  // One wait and what it brought.
  void turn(std::int64_t timeout) {
    const std::uint64_t before = operations_;
    for (const epoll_event& event : epoll_.wait(timeout)) {
      Connection& c = connections_[event.data.u64];
      if ((event.events & EPOLLOUT) != 0) {
        c.blocked = false;
        epoll_.modify(c.fd, event.data.u64, EPOLLIN);
        flush(c);
      }
      if ((event.events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0) receive(c);
    }
    if (operations_ == before) return;
    last_answer_ = now_ns();
    watchdog_.moved(last_answer_);
  }

  void receive(Connection& c) {
    const ssize_t n = recv(c.fd, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n < 0) fail("recv");
    if (n == 0) throw std::runtime_error("the server closed a connection");
    const auto size = static_cast<std::uint64_t>(n);
    if (c.received + size > c.sent) throw std::runtime_error("the server answered too much");
    check(c, size);
    c.received += size;
    bytes_ += size;
    const std::uint64_t answered = c.received / options_.size;
    if (answered == c.answered) return;
    const std::int64_t now = now_ns();
    for (; c.answered < answered; ++c.answered) {
      latency_.add(now - c.started.front());
      c.started.pop_front();
      --outstanding_;
      ++operations_;
      if (sending_ && options_.rate == 0) assign(c, now);
    }
    flush(c);
  }

  void check(const Connection& c, std::size_t size) const {
    const char* expected = pattern_.answer(c.base + c.received);
    if (std::memcmp(buffer_.data(), expected, size) == 0) return;
    const auto wrong =
        std::mismatch(buffer_.begin(), buffer_.begin() + static_cast<long>(size), expected);
    const auto byte = [](char x) { return static_cast<int>(static_cast<unsigned char>(x)); };
    throw std::runtime_error(
        fmt::format("wrong answer: byte {} of a stream is {}, not {}",
                    c.received + static_cast<std::uint64_t>(wrong.first - buffer_.begin()),
                    byte(*wrong.first), byte(*wrong.second)));
  }

  // Sends what the connection may: in one piece where there is more than one message.
  void flush(Connection& c) {
    const std::uint64_t messages = std::min(c.assigned, c.answered + options_.depth);
    const std::uint64_t limit = messages * options_.size;
    while (c.sent < limit && !c.blocked) {
      const std::size_t size = std::min<std::uint64_t>(limit - c.sent, Pattern::max_slice);
      const ssize_t n =
          send(c.fd, pattern_.sent(c.base + c.sent), size, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (n >= 0) {
        c.sent += static_cast<std::uint64_t>(n);
      } else if (errno == EAGAIN) {
        c.blocked = true;
        const auto index = static_cast<std::uint64_t>(&c - connections_.data());
        epoll_.modify(c.fd, index, EPOLLIN | EPOLLOUT);
      } else if (errno != EINTR) {
        fail("send");
      }
    }
  }

  const Options& options_;
  Pattern pattern_;
  Epoll epoll_;
  Watchdog watchdog_;
  std::vector<Connection> connections_;
  std::vector<char> buffer_;
  Histogram latency_;
  Measurement* measurement_ = nullptr;  // where intervals are printed
  std::int64_t interval_begin_ = 0, interval_end_ = 0;
  std::int64_t last_answer_ = 0;
  std::size_t active_ = 0;
  std::size_t next_ = 0;
  double due_ = 0;
  bool sending_ = false;
  std::uint64_t budget_ = 0;       // messages that may still be assigned
  std::uint64_t outstanding_ = 0;  // assigned and not answered
  std::uint64_t operations_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace

Json run_echo(const Options& options) {
  if (options.memory && (options.pid == 0 || options.connections < 2)) {
    throw std::invalid_argument("--memory needs --pid and at least 2 connections");
  }
  return Echo(options).run();
}

}  // namespace polyio::lab
