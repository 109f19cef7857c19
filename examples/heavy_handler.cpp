// What one heavy request does to the other clients of its loop, inline and offloaded. Without
// arguments it measures both under a small load and prints a table; `heavy_handler
// ADDRESS:PORT inline|offloaded` only serves, with the watchdog on.
#include <fmt/format.h>

#include <algorithm>
#include <polyio/drivers/registry.hpp>
#include <polyio/exec/offload.hpp>
#include <polyio/io/task_group.hpp>
#include <polyio/server/server.hpp>
#include <thread>

using namespace polyio;
using namespace std::chrono_literals;

// Some 50 ms of work: counts primes until the time is over.
int count_primes(Nanoseconds span) {
  const TimePoint end = monotonic_now() + span;
  int primes = 0;
  for (int n = 2; monotonic_now() < end; ++n) {
    bool prime = true;
    for (int d = 2; d * d <= n && prime; ++d) prime = n % d != 0;
    primes += prime;
  }
  return primes;
}

// "h" asks for heavy work, anything else is echoed.
template <bool offloaded>
Task<> answer(Io& io, Stream stream) {
  for (;;) {
    auto chunk = co_await stream.receive();
    if (!chunk || chunk->empty()) co_return;
    std::string reply(chunk->text());
    if (reply == "h") {
      auto heavy = [] { return count_primes(50ms); };
      if constexpr (offloaded) {
        auto primes = co_await offload(io, heavy);  // the loop serves the others meanwhile
        if (!primes) co_return;
        reply = std::to_string(*primes);
      } else {
        reply = std::to_string(heavy());  // the loop stands still
      }
    }
    auto sent = co_await stream.send_all(reply);
    if (!sent) co_return;
  }
}

// --- the load: one client that asks for heavy work, four that ask for little ---

Task<bool> ask(Stream& stream, std::string_view request) {
  auto sent = co_await stream.send_all(request);
  if (!sent) co_return false;
  auto reply = co_await stream.receive();
  co_return reply && !reply->empty();
}

Task<> heavy_client(Io& io, const os::Address& server, int requests, int& running) {
  auto stream = co_await io.connect(server);
  for (int i = 0; i < requests && stream; ++i) {
    auto good = co_await ask(*stream, "h");
    if (!good) break;
    auto slept = co_await io.sleep(50ms);
    if (!slept) break;
  }
  --running;
}

Task<> light_client(Io& io, const os::Address& server, const int& running,
                    std::vector<Nanoseconds>& times) {
  auto stream = co_await io.connect(server);
  while (stream && running > 0) {
    const TimePoint due = monotonic_now();
    auto good = co_await ask(*stream, "little");
    if (!good) break;
    times.push_back(monotonic_now() - due);
    auto slept = co_await io.sleep(1ms);
    if (!slept) break;
  }
}

struct Row {
  std::size_t requests;
  double p50_ms, p99_ms, longest_ms;
};

Row measure(const Handler& handler) {
  ServerOptions options;
  options.architecture = "loop";
  options.signals = false;
  options.log = [](std::string_view) {};
  Server server(options, handler);
  std::jthread serving([&] { server.run(); });
  std::vector<Nanoseconds> times;
  int running = 1;  // the heavy client
  {
    Io io(make_driver("auto").value());
    auto load = [&](TaskGroup& group) -> Task<> {
      (void)group.spawn(heavy_client, io, server.address(), 10, running);
      for (int i = 0; i < 4; ++i) {
        (void)group.spawn(light_client, io, server.address(), running, times);
      }
      co_return;
    };
    io.run(with_task_group(io, load));
  }
  server.stop();
  if (times.empty()) return {};
  std::ranges::sort(times);
  const auto at = [&](double part) {
    const auto index = static_cast<std::size_t>(part * static_cast<double>(times.size() - 1));
    return std::chrono::duration<double, std::milli>(times[index]).count();
  };
  return {times.size(), at(0.5), at(0.99), at(1)};
}

int main(int argc, char** argv) {
  if (argc == 3) {
    const bool offloaded = std::string_view(argv[2]) == "offloaded";
    return serve({.listen = argv[1], .architecture = "loop", .watchdog = 20ms},
                 offloaded ? answer<true> : answer<false>);
  }
  fmt::print("light requests beside one client whose requests take 50 ms of computing\n");
  fmt::print("{:<10} {:>9} {:>9} {:>9} {:>11}\n", "heavy", "requests", "p50 ms", "p99 ms",
             "longest ms");
  for (const bool offloaded : {false, true}) {
    const Row row = measure(offloaded ? answer<true> : answer<false>);
    if (row.requests == 0) return 1;
    fmt::print("{:<10} {:>9} {:>9.2f} {:>9.2f} {:>11.2f}\n", offloaded ? "offloaded" : "inline",
               row.requests, row.p50_ms, row.p99_ms, row.longest_ms);
  }
}
