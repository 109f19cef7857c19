// What the tests of room server share: a server for every model and architecture of list_models(),
// on a thread of its own or, where the architecture forks, in a process of its own; its log, and a
// plain blocking peer. The rule: nobody sleeps to wait for somebody else; what does not come within
// 20 s has failed. Architectures that fork need a test program which has no thread when a Running
// is made: they have one of their own (tests/server_processes). What a handler shares with the test
// lies in a Shared<T>, so that a case needs to be written once only.
#pragma once

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <polyio/drivers/registry.hpp>
#include <polyio/linux/process.hpp>
#include <polyio/os/socket.hpp>
#include <polyio/server/server.hpp>
#include <polyio/sync/event.hpp>
#include <thread>

#include "server/dials.hpp"

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
  // What has come, at least a byte; 0 when the server ends the connection.
  std::size_t read_some(std::span<char> room) {
    for (;;) {
      const auto got = ::recv(socket_.get(), room.data(), room.size(), 0);
      if (got < 0 && errno == EINTR) continue;  // io_uring's work in this thread (the probe's)
      if (got < 0 && errno == EAGAIN) ADD_FAILURE() << "nothing came within the limit";
      return got > 0 ? static_cast<std::size_t>(got) : 0;
    }
  }
  // The same to a server that may have ended the conversation already.
  void send_gently(std::string_view text) {
    ssize_t sent = 0;
    do {
      sent = ::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
  }
  // Lets the kernel notice that the other end is gone: a connection that was being made while the
  // listener closed may have been dropped without a word.
  void poke() { (void)!::send(socket_.get(), "?", 1, MSG_NOSIGNAL); }
  // Exactly `count` bytes, or less when the server ends the connection.
  std::string read(std::size_t count) {
    std::string all;
    while (all.size() < count) {
      std::array<char, 4096> room;
      const std::size_t most = std::min(room.size(), count - all.size());
      const std::size_t got = read_some(std::span(room).first(most));
      if (got == 0) break;
      all.append(room.data(), got);
    }
    return all;
  }
  // Waits for the end without a word: 0 end of file, else an errno value.
  int end_reason() {
    char byte = 0;
    ssize_t got = 0;
    do {
      got = ::recv(socket_.get(), &byte, 1, 0);
    } while (got < 0 && errno == EINTR);  // posix-aio's signal may be taken by this thread
    EXPECT_LE(got, 0);
    return got < 0 ? errno : 0;
  }
  // `count` bytes, but all to the end where it does not begin with an echo of "x".
  std::string read_to_end_or(std::size_t count) {
    std::string text = read(count);
    if (text == "x") return text;
    return text + read_to_end();
  }
  std::string read_to_end() { return read(SIZE_MAX); }
  // How a connection to `address` that is not served ends: 0 end of file, else an errno value. A
  // reset may come before this thread is back from connect(2), which reports it then.
  static int end_of_one(const os::Address& address) {
    try {
      return Peer(address).end_reason();
    } catch (const std::system_error& error) {
      return error.code().value();
    }
  }
  bool anything_there() {
    char byte = 0;
    return ::recv(socket_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
  }
  void expect_echo(std::string_view text) {
    send(text);
    EXPECT_EQ(read(text.size()), text);
  }
  os::Address local_address() const { return os::local_address(socket_.get()).value(); }
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

// What a handler and the test share, across processes: plain data and lock-free atomics, zeroed.
template <class T>
class Shared {
 public:
  Shared() : memory_(sizeof(T)) { new (memory_.data()) T{}; }
  T* operator->() const noexcept { return static_cast<T*>(memory_.data()); }
  T& operator*() const noexcept { return *static_cast<T*>(memory_.data()); }

 private:
  os::SharedPages memory_;
};

// For a handler: comes back once `flag` is set, by whichever process.
inline Task<> until_set(Io& io, const std::atomic<bool>& flag) {
  while (!flag) {
    auto slept = co_await io.sleep(1ms);
    if (!slept) co_return;
  }
}

// A file in memory, which every process of the server appends to.
class Log {
 public:
  Log() : file_(::memfd_create("log", MFD_CLOEXEC)) { ::fcntl(file_.get(), F_SETFL, O_APPEND); }
  void write(std::string_view line) const {
    const std::string whole = std::string(line) + "\n";
    (void)!::write(file_.get(), whole.data(), whole.size());
  }
  std::string text() const {
    std::string all(1 << 20, '\0');
    const ssize_t got = ::pread(file_.get(), all.data(), all.size(), 0);
    all.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    return all;
  }
  // In the first 64 KiB. Without memory of its own: a watchdog may look at a thread that is in
  // here.
  [[nodiscard]] bool has(std::string_view words) const {
    std::array<char, 64 << 10> first;
    const ssize_t got = ::pread(file_.get(), first.data(), first.size(), 0);
    return std::string_view(first.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0)))
        .contains(words);
  }
  [[nodiscard]] bool wait_for(std::string_view words) const {
    return until([&] { return text().find(words) != std::string::npos; });
  }

 private:
  os::UniqueFd file_;
};

// An empty name is the model's first architecture, which never forks.
inline bool forks(const std::string& architecture) {
  const auto found = find_architecture(architecture);
  return found && polyio::forks(*found);
}

// A server that runs until this is destroyed or finish() is called.
class Running {
 public:
  // `before` runs first of all in the server's process, which is one of its own then. Not with
  // model blocking and an architecture that does not fork: making that one makes a thread.
  Running(ServerOptions options, Handler handler, std::function<void()> before = {}) {
    const bool in_process = forks(options.architecture) || before;
    by_signal_ = !forks(options.architecture) && before;  // no stop() reaches it there
    options.signals = options.signals || by_signal_;
    options.log = [this](std::string_view line) { log.write(line); };
    server.emplace(std::move(options), std::move(handler));
    if (in_process) fork_server(std::move(before));
  }
  ~Running() { finish(); }
  Running& start() {
    if (child_) {
      EXPECT_TRUE(os::send_message(gate_.get(), 'g'));
      return *this;
    }
    thread_ = std::jthread([this] {
      server->run();
      ended_.set();
    });
    return *this;
  }
  // Asks it to stop and waits until it has.
  void finish() {
    if (by_signal_ && child_) child_->signal(SIGTERM);
    if (!by_signal_) server->stop();
    join();
  }
  void join() {
    if (child_) return join_child();
    if (!thread_.joinable()) return;
    if (!ended_.wait(monotonic_now() + limit)) give_up();  // that thread can't be ended
    thread_.join();
  }
  // kill -9 for the server's own process, whose end is not looked at then.
  void kill() {
    child_->signal(SIGKILL);
    (void)child_->wait();
    child_.reset();
  }
  Peer connect() const { return Peer(server->address()); }
  // Asked of the kernel (proc(5), /proc/net/tcp): a connection would be one more that is served.
  bool listens() const {
    const std::string listening = fmt::format(":{:04X} 00000000:0000 0A", server->address().port());
    std::ifstream sockets("/proc/net/tcp");
    std::string line;
    while (std::getline(sockets, line)) {
      if (line.contains(listening)) return true;
    }
    return false;
  }
  ServerStatistics statistics() const { return server->statistics(); }
  pid_t pid() const { return child_->pid(); }
  void signal(int number) const { child_->signal(number); }

  Log log;
  std::optional<Server> server;  // of a server in another process, the remote control

 private:
  void fork_server(std::function<void()> before) {
    auto channel = os::make_channel();
    gate_ = std::move(channel->ours);
    auto child = os::fork_child([&] {
      gate_.reset();
      const auto go = os::receive_message(channel->theirs.get(), true);
      if (!go || go->byte == 0) return 0;
      channel->theirs.reset();
      try {
        if (before) before();
        server->run();
        return 0;
      } catch (const std::exception& error) {
        log.write(error.what());
        return 1;
      }
    });
    if (!child) throw std::system_error(child.error(), "fork");
    child_ = std::move(*child);
    forget_listeners();
  }
  // The test's copies of the listening sockets: while they are open, so is the port. Server closes
  // the numbers, which stay taken.
  void forget_listeners() const {
    const os::UniqueFd nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    for (int fd = 0; fd < 1024; ++fd) {
      int listens = 0;
      socklen_t size = sizeof listens;
      if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 || !listens) continue;
      const auto address = os::local_address(fd);
      if (address && std::ranges::count(server->addresses(), *address) > 0) {
        ::dup2(nothing.get(), fd);
      }
    }
  }
  void join_child() {
    gate_.reset();
    pollfd ended{child_->fd(), POLLIN, 0};
    const auto span = std::chrono::milliseconds(limit).count();
    if (::poll(&ended, 1, static_cast<int>(span)) != 1) give_up();
    const os::ExitStatus status = child_->wait();
    child_.reset();
    EXPECT_EQ(status.text(), os::ExitStatus{}.text()) << log.text();
  }
  [[noreturn]] void give_up() const {
    fmt::print(stderr, "the server did not end within {} s\n{}\n", limit.count(), log.text());
    std::abort();
  }

  std::optional<os::ChildProcess> child_;
  os::UniqueFd gate_;
  bool by_signal_ = false;
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

struct Position {
  std::string model, architecture;
  friend void PrintTo(const Position& dials, std::ostream* out) {
    *out << dials.model << " " << dials.architecture;
  }
};

// What list_models() claims to work: the part that serves in one process, or the rest.
inline std::vector<Position> all_dials(bool forking) {
  std::vector<Position> all;
  for (const ModelInfo& info : list_models()) {
    if (!info.available) continue;
    for (const std::string& architecture : info.architectures) {
      if (forks(architecture) == forking) all.push_back({info.model, architecture});
    }
  }
  return all;
}

class ServerTest : public testing::TestWithParam<Position> {
 protected:
  static ServerOptions options() {
    ServerOptions options;
    options.model = GetParam().model;
    options.architecture = GetParam().architecture;
    options.workers = workers_are_places() ? 24 : 4;
    options.signals = false;
    options.drain_timeout = 1h;  // so that nothing is cut but where it is the test's subject
    return options;
  }
  static Architecture architecture() { return find_architecture(GetParam().architecture).value(); }
  static bool iterative() { return architecture() == Architecture::iterative; }
  // Each worker serves one connection.
  static bool workers_are_places() {
    return polyio::workers_are_places(architecture(), GetParam().model);
  }
  // `wished` connections, or as many of them as these options() serve side by side.
  static std::size_t at_once(std::size_t wished) {
    if (iterative()) return 1;
    return workers_are_places() ? std::min<std::size_t>(wished, 24) : wished;
  }
  // For what makes a process or so each time.
  static int rounds(int wished) {
    return forks(GetParam().architecture) ? std::max(1, wished / 5) : wished;
  }
};

inline std::string dials_name(const testing::TestParamInfo<Position>& info) {
  std::string name = info.param.model + "_" + info.param.architecture;
  std::ranges::replace(name, '-', '_');
  return name;
}

#define POLYIO_ON_DIALS(fixture, forking) \
  INSTANTIATE_TEST_SUITE_P(All, fixture, testing::ValuesIn(all_dials(forking)), dials_name)

}  // namespace polyio::server_test
