// A daemon that gets a message, answers and ends, by fork or by spawn; a loop awaits its end.
#include <unistd.h>

#include <csignal>
#include <polyio/drivers/registry.hpp>
#include <polyio/exec/join.hpp>
#include <polyio/process/pipe.hpp>
#include <polyio/process/process.hpp>
#include <polyio/process/thread.hpp>

#include "process/lifeline.hpp"
#include "scenarios.hpp"

namespace polyio::torture {
namespace {

using namespace std::chrono_literals;

Deadline soon() { return monotonic_now() + 5s; }

int count_and_answer(process::Connection connection) {
  const auto numbers = connection.receive<std::vector<int>>(soon());
  if (!numbers) return 2;
  return connection.send(numbers->size(), soon()) ? 0 : 3;
}

Task<> await_end(Io& io, process::Process& child, Outcome& outcome) {
  CancelScope scope(io, 5s);
  auto joined = co_await process::join(io, child);
  if (!joined) outcome.error("join", joined.error());
}

void talk(process::Method method, Outcome& outcome) {
  auto pipe = process::make_pipe();
  if (!pipe) return outcome.error("make_pipe", pipe.error());
  process::Process child({.daemon = true, .method = method}, count_and_answer,
                         std::move(pipe->second));
  const auto started = child.start();
  if (!started) return outcome.error("start", started.error());
  const std::vector<int> numbers(5000, 1);
  const auto sent = pipe->first.send(numbers, soon());
  if (!sent) outcome.error("send", sent.error());
  const auto count = pipe->first.receive<std::size_t>(soon());
  if (!count) outcome.error("receive", count.error());
  if (count) outcome.require(*count == numbers.size(), "a wrong answer");
  (void)process::state_of(*child.pid());
  if (!count) (void)child.kill();
  {
    Io io(make_driver("epoll").value());
    io.run(await_end(io, child, outcome));
  }
  const auto joined = child.join(soon());
  if (!joined) outcome.error("join", joined.error());
  if (joined && child.exitcode() != 0) {
    outcome.error("exit code", std::to_string(child.exitcode().value_or(-1)));
  }
}

void threads(Outcome& outcome) {
  int number = 0;
  process::Thread thread([&] { number = 666; });
  const auto started = thread.start();
  if (!started) return outcome.error("thread", started.error());
  const auto joined = thread.join(soon());
  outcome.require(joined && number == 666, "a thread did not end");
}

}  // namespace

void run_process(const std::string& method, const Fault& fault, Outcome& outcome) {
  arm(fault);
  try {
    talk(method == "fork" ? process::Method::fork : process::Method::spawn, outcome);
    threads(outcome);
  } catch (const std::exception& error) {
    outcome.error("set-up", error.what());
  }
  disarm();
  // What a failed start() or an exception left to itself: a forked child has both ends.
  for (const Deadline until = soon(); monotonic_now() < until; ::usleep(200)) {
    const auto left = process::active_children();
    if (left.empty()) break;
    for (const process::Active& child : left) ::kill(child.pid, SIGKILL);
  }
  process::detail::close_lifeline();  // kept for the next daemon
}

}  // namespace polyio::torture
