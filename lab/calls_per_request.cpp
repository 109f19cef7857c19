// System calls of one request: the load stops itself when all are connected, and again when the
// last answer is there. So what it takes to start, to accept and to close is not counted.
#include <signal.h>
#include <sys/wait.h>

#include <cmath>

#include "engine.hpp"

namespace polyio::lab {
namespace {

using namespace std::chrono_literals;

// Until the load has stopped, and the server has done what follows the last answer.
void run_until_stopped(CallCounter& counter, Child& load) {
  const int status = counter.run_until(load.pid());
  if (!WIFSTOPPED(status)) {
    load.reaped();
    throw std::runtime_error("its load failed: " + load.last_words());
  }
  counter.settle(30ms, 300ms);
}

}  // namespace

Calls calls_per_request(const Point& point, std::uint64_t requests) {
  Child::Options options = server_of(point);
  options.traced = true;
  Child server(std::move(options));
  CallCounter counter(server);
  std::optional<std::string> ready;
  // Each of its steps may have brought the line.
  counter.run_to_the_end([&] {
    ready = server.take_line();
    return ready.has_value();
  });
  const std::string address = ready_address(server, ready);
  std::vector<std::string> arguments = load_arguments(point);
  arguments.insert(arguments.begin(), {"lab", "load"});
  arguments.insert(arguments.end(), {"--server", address, "--requests", std::to_string(requests),
                                     "--warmup", "0", "--patience", "60", "--halt"});
  Child load({.arguments = arguments});
  run_until_stopped(counter, load);
  const Calls before = counter.calls();
  ::kill(load.pid(), SIGCONT);
  run_until_stopped(counter, load);
  Calls each = counter.calls();
  for (auto& [name, count] : each) {
    const auto found = before.find(name);
    count -= found == before.end() ? 0 : found->second;
    count = std::round(count / static_cast<double>(requests) * 1000) / 1000;
  }
  std::erase_if(each, [](const auto& one) { return one.second < 0.001; });
  return each;
}

}  // namespace polyio::lab
