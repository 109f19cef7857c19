// What the tests of room server share: a server on a thread of its own for every model and
// architecture of list_models(), its log, and a plain blocking peer. The rule: nobody sleeps to
// wait for somebody else; what does not come within 20 s has failed.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <polyio/drivers/registry.hpp>
#include <polyio/os/socket.hpp>
#include <polyio/server/server.hpp>
#include <polyio/sync/event.hpp>
#include <thread>

namespace polyio::server_test {

using namespace std::chrono_literals;

inline constexpr auto limit = 20s;  // of every wait

// Looks again and again until `condition()`; for what nobody can tell.
template <class Condition>
[[nodiscard]] bool until(Condition condition) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(100us);  // leaves the processor to those it waits for
  }
  return true;
}

inline std::size_t open_fds() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

// A client that knows nothing of polyio's I/O. Its waits fail the test after the limit.
class Peer {
 public:
  explicit Peer(const os::Address& address) {
    auto fd = os::stream_socket(address.family(), os::Blocking::yes);
    if (!fd) throw std::system_error(fd.error(), "socket");
    socket_ = std::move(*fd);
    // First of all: with a time limit it would not be restarted after io_uring's work in this
    // thread (the probe's ring that ends), but fail with EINTR.
    if (::connect(socket_.get(), address.data(), address.size()) != 0) {
      throw std::system_error(errno, std::system_category(), "connect");
    }
    const timeval patience{.tv_sec = limit.count(), .tv_usec = 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  }

  void send(std::string_view text) {
    ssize_t sent = 0;
    do {
      sent = ::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    EXPECT_EQ(sent, static_cast<ssize_t>(text.size()));
  }
  // Lets the kernel notice that the other end is gone: a connection that was being made while the
  // listener closed may have been dropped without a word.
  void poke() { (void)!::send(socket_.get(), "?", 1, MSG_NOSIGNAL); }
  // Exactly `count` bytes, or less when the server ends the connection.
  std::string read(std::size_t count) {
    std::string all;
    while (all.size() < count) {
      std::array<char, 4096> room;
      const auto got =
          ::recv(socket_.get(), room.data(), std::min(room.size(), count - all.size()), 0);
      if (got < 0 && errno == EINTR) continue;  // io_uring's work in this thread (the probe's)
      if (got < 0 && errno == EAGAIN) ADD_FAILURE() << "nothing came within the limit";
      if (got <= 0) break;
      all.append(room.data(), static_cast<std::size_t>(got));
    }
    return all;
  }
  std::string read_to_end() { return read(SIZE_MAX); }
  bool anything_there() {
    char byte = 0;
    return ::recv(socket_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
  }
  void expect_echo(std::string_view text) {
    send(text);
    EXPECT_EQ(read(text.size()), text);
  }
  void finish() { ::shutdown(socket_.get(), SHUT_WR); }
  void close() { socket_.reset(); }
  void reset() {
    const linger hard{1, 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close();
  }

 private:
  os::UniqueFd socket_;
};

class Log {
 public:
  void write(std::string_view line) {
    const std::lock_guard lock(mutex_);
    text_.append(line).append("\n");
    changed_.notify_all();
  }
  std::string text() const {
    const std::lock_guard lock(mutex_);
    return text_;
  }
  [[nodiscard]] bool wait_for(std::string_view words) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, limit, [&] { return text_.find(words) != std::string::npos; });
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::string text_;
};

// A server that runs until this is destroyed or finish() is called.
class Running {
 public:
  Running(ServerOptions options, Handler handler) {
    options.signals = false;
    options.log = [this](std::string_view line) { log.write(line); };
    server.emplace(std::move(options), std::move(handler));
  }
  ~Running() { finish(); }
  Running& start() {
    thread_ = std::jthread([this] {
      server->run();
      ended_.set();
    });
    return *this;
  }
  // Asks it to stop and waits until it has.
  void finish() {
    server->stop();
    join();
  }
  void join() {
    if (!thread_.joinable()) return;
    if (!ended_.wait_until(monotonic_now() + limit)) {  // nobody can end that thread
      fmt::print(stderr, "the server did not end within {} s\n", limit.count());
      std::abort();
    }
    thread_.join();
  }
  Peer connect() const { return Peer(server->address()); }
  ServerStatistics statistics() const { return server->statistics(); }

  Log log;
  std::optional<Server> server;

 private:
  Event ended_;
  std::jthread thread_;
};

inline Task<> echo(Io&, Stream stream) {
  for (;;) {
    auto chunk = co_await stream.receive();
    if (!chunk || chunk->empty()) co_return;
    auto sent = co_await stream.send_all(chunk->bytes());
    if (!sent) co_return;
  }
}

struct Dials {
  std::string model, architecture;
  friend void PrintTo(const Dials& dials, std::ostream* out) {
    *out << dials.model << " " << dials.architecture;
  }
};

inline std::vector<Dials> all_dials() {
  std::vector<Dials> all;
  for (const ModelInfo& info : list_models()) {
    if (!info.available) continue;
    for (const std::string& architecture : info.architectures) {
      all.push_back({info.model, architecture});
    }
  }
  return all;
}

class ServerTest : public testing::TestWithParam<Dials> {
 protected:
  static ServerOptions options() {
    ServerOptions options;
    options.model = GetParam().model;
    options.architecture = GetParam().architecture;
    options.workers = 4;
    options.drain_timeout = 1h;  // so that nothing is cut but where it is the test's subject
    return options;
  }
};

inline std::string dials_name(const testing::TestParamInfo<Dials>& info) {
  std::string name = info.param.model + "_" + info.param.architecture;
  std::ranges::replace(name, '-', '_');
  return name;
}

#define POLYIO_ON_ALL_DIALS(fixture) \
  INSTANTIATE_TEST_SUITE_P(All, fixture, testing::ValuesIn(all_dials()), dials_name)

}  // namespace polyio::server_test
