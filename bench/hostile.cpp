// What clients that use up a pool do to the others: the round trip of a healthy client, which has
// 64 bytes echoed every 0.5 ms, beside thousands of hostile ones (docs/limits.md). For each pool
// the median and the 99th percentile alone and beside them; of three tries the one with the lowest
// p99, because other work on the machine only adds to it. Arguments: the number of hostile clients
// and the models; default: 9,500, epoll and io_uring.
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <future>
#include <polyio/client/connection_pool.hpp>
#include <polyio/client/resolver.hpp>
#include <polyio/exec/offload.hpp>
#include <polyio/os/socket.hpp>
#include <polyio/server/server.hpp>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace polyio;
using namespace std::chrono_literals;

// What a hostile client sends first decides what it uses up.
struct Pool {
  const char* name;
  char letter;
  std::size_t bytes;  // that it sends in all, and reads nothing
};
constexpr Pool pools[] = {{"none: silent clients", 's', 1},
                          {"receive buffers", 'b', 120'000},
                          {"offload: works that wait", 'o', 1},
                          {"offload: works that compute", 'w', 1},
                          {"name lookups", 'n', 1},
                          {"ConnectionPool of 8", 'c', 1},
                          {"places and waiting room", 's', 1}};

void wait() { ::usleep(1000); }
void compute() {
  for (const TimePoint end = monotonic_now() + 1ms; monotonic_now() < end;) continue;
}

class Handler {
 public:
  explicit Handler(const os::Address& silent) : silent_(silent) {}

  Task<> serve(Io& io, Stream stream) {
    for (bool first = true;; first = false) {
      auto chunk = co_await stream.receive();
      if (!chunk || chunk->empty()) co_return;
      if (first) {
        const char letter = chunk->text().front();
        if (letter != 'b') *chunk = {};
        if (letter == 'o') co_return co_await offload_for_ever(io, wait);
        if (letter == 'w') co_return co_await offload_for_ever(io, compute);
        if (letter == 'n') co_return co_await look_up_for_ever(io);
        if (letter == 'c') co_return co_await keep_connection(io);
      }
      auto sent = co_await stream.send_all(chunk->bytes());
      if (!sent) co_return;
    }
  }

 private:
  static Task<> offload_for_ever(Io& io, void (*work)()) {
    for (;;) {
      auto worked = co_await offload(io, work);
      if (!worked) co_return;
    }
  }
  static Task<> look_up_for_ever(Io& io) {
    for (;;) {
      auto found = co_await resolve(io, "localhost", 80);
      if (!found) co_return;  // the line is full, or it is over
    }
  }
  Task<> keep_connection(Io& io) {
    if (!pool_) pool_.emplace(io, silent_);
    auto lease = co_await pool_->acquire();
    if (!lease) co_return;
    (void)co_await lease->stream().receive();
  }

  const os::Address silent_;
  std::optional<ConnectionPool> pool_;
};

// From an address of its own, so that the ports of one run are not missing in the next.
int connect_to(const os::Address& server, const os::Address& from, int buffers = 0) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (buffers > 0) {
    ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffers, sizeof buffers);
    ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffers, sizeof buffers);
  }
  if (::bind(fd, from.data(), from.size()) != 0 ||
      (::connect(fd, server.data(), server.size()) != 0 && errno != ECONNRESET)) {  // turned away
    throw std::system_error(errno, std::generic_category(), "connect");
  }
  return fd;
}
int hostile_connection(const os::Address& server, const os::Address& from) {
  const int fd = connect_to(server, from, 4096);
  const linger hard{1, 0};  // no port stays behind
  ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  ::fcntl(fd, F_SETFL, O_NONBLOCK);
  return fd;
}

// A process of its own, because of the descriptors. Writes a byte to `ready` when all have sent
// what they could, and ends at the end of `until`.
[[noreturn]] void be_hostile(const os::Address& server, const Pool& pool, int count, int ready,
                             int until) {
  const std::string block(1 << 16, pool.letter);
  std::vector<std::pair<int, std::size_t>> clients;
  const auto from = *os::Address::parse(fmt::format("127.0.{}.1:0", 1 + &pool - pools));
  for (int i = 0; i < count; ++i) clients.emplace_back(hostile_connection(server, from), 0);
  for (int quiet = 0; quiet < 3;) {
    bool any = false;
    for (auto& [fd, sent] : clients) {
      const std::size_t size = std::min(block.size(), pool.bytes - sent);
      const ssize_t now = size == 0 ? 0 : ::send(fd, block.data(), size, MSG_NOSIGNAL);
      if (now > 0) sent += static_cast<std::size_t>(now);
      any = any || now > 0;
    }
    quiet = any ? 0 : quiet + 1;
    if (!any) ::usleep(100'000);
  }
  char byte = 0;
  (void)!::write(ready, &byte, 1);
  (void)!::read(until, &byte, 1);
  ::_exit(0);
}

struct Times {
  double p50 = 0, p99 = 0;  // ms
};

Times healthy(int fd) {
  std::vector<double> times;
  char room[64] = {'b'};
  for (int i = 0; i < 2000; ++i) {
    const TimePoint begin = monotonic_now();
    (void)!::send(fd, room, sizeof room, MSG_NOSIGNAL);
    if (::recv(fd, room, sizeof room, MSG_WAITALL) != sizeof room) throw std::runtime_error("cut");
    times.push_back(static_cast<double>((monotonic_now() - begin).count()) / 1e6);
    ::usleep(500);
  }
  std::ranges::sort(times);
  return {times[times.size() / 2], times[times.size() * 99 / 100]};
}
Times best_of_three(int fd) {
  Times best = healthy(fd);
  for (int i = 0; i < 2; ++i) {
    const Times next = healthy(fd);
    if (next.p99 < best.p99) best = next;
  }
  return best;
}

void measure(const std::string& model, const Pool& pool, int count, const os::Address& silent) {
  Handler handler(silent);
  ServerOptions options;
  options.model = model;
  options.architecture = "loop";
  options.signals = false;
  options.drain_timeout = 10ms;
  options.log = [](std::string_view) {};
  if (&pool == std::end(pools) - 1) {
    options.max_connections = static_cast<std::size_t>(count) / 2;
    options.max_waiting = static_cast<std::size_t>(count) / 4;
  }
  int ready[2], until[2];
  if (::pipe2(ready, O_CLOEXEC) != 0 || ::pipe2(until, O_CLOEXEC) != 0) return;
  auto listening = std::make_unique<std::promise<void>>();
  options.on_ready = [&](const Server&) { listening->set_value(); };
  Server server(std::move(options),
                [&](Io& io, Stream stream) { return handler.serve(io, std::move(stream)); });
  const pid_t child = ::fork();
  if (child == 0) {
    char byte = 0;
    ::close(until[1]);
    (void)!::read(until[0], &byte, 1);
    be_hostile(server.address(), pool, count, ready[1], until[0]);
  }
  ::close(ready[1]);
  std::jthread running([&] { server.run(); });
  listening->get_future().wait();
  const int fd = connect_to(server.address(), *os::Address::parse("127.0.0.1:0"));
  char hello = 'x';
  const Times alone = best_of_three(fd);
  (void)!::write(until[1], &hello, 1);
  (void)!::read(ready[0], &hello, 1);
  const Times beside = best_of_three(fd);
  const ServerStatistics statistics = server.statistics();
  fmt::print("{:9} {:27} {:.2f} ms, {:.2f} ms   {:.2f} ms, {:.2f} ms   {:.2f}   {} active\n", model,
             pool.name, alone.p50, alone.p99, beside.p50, beside.p99, beside.p99 / alone.p99,
             statistics.active);
  for (const int end : {until[1], until[0], ready[0], fd}) ::close(end);
  ::waitpid(child, nullptr, 0);
  server.stop();
}

}  // namespace

int main(int argc, char** argv) {
  const int count = argc > 1 ? std::atoi(argv[1]) : 9500;
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  std::vector<std::string> models(argv + std::min(argc, 2), argv + argc);
  if (models.empty()) models = {"epoll", "io_uring"};
  auto silent = os::listen_stream(*os::Address::parse("127.0.0.1:0"), 64, os::Blocking::yes);
  fmt::print("{:9} {:27} {:20} {:20} p99 by alone\n", "model", "used up", "alone: p50, p99",
             "beside: p50, p99");
  for (const std::string& model : models) {
    for (const Pool& pool : pools) {
      measure(model, pool, count, *os::local_address(silent->get()));
      std::fflush(stdout);
    }
  }
}
