// Coroutines: what switching between them brings and costs, and what starting one takes, beside
// threads and processes.
#include <polyio/drivers/registry.hpp>
#include <polyio/io/task_group.hpp>
#include <polyio/process/process.hpp>
#include <polyio/process/thread.hpp>
#include <system_error>

#include "spent.hpp"
#include "work.hpp"

namespace polyio::lab {
namespace {

void check(const Result<>& done, const char* what) {
  if (!done) throw std::system_error(done.error(), what);
}

Task<> wait(Io& io, Nanoseconds span, AtOnce& at_once) {
  const AtOnce::Task inside(at_once);
  (void)co_await io.sleep(span);
}

// `switches` counts them; nullptr: it doesn't switch.
Task<> compute(Io& io, std::uint64_t steps, std::uint64_t every, std::uint64_t* switches) {
  for (std::uint64_t done = 0; done < steps; done += every) {
    compute_steps(std::min(every, steps - done));
    if (!switches) continue;
    ++*switches;
    (void)co_await io.yield();
  }
}

// Times the tasks that `make()` makes: one after the other, or all at once.
template <class Make>
Task<> measure(Io& io, unsigned tasks, bool at_once, Spent& spent, Make make) {
  const Spent before = Spent::now();
  if (at_once) {
    auto all = [&](TaskGroup& group) -> Task<> {
      for (unsigned i = 0; i < tasks; ++i) check(group.spawn(make), "can't start a coroutine");
      co_return;
    };
    co_await with_task_group(io, all);
  } else {
    for (unsigned i = 0; i < tasks; ++i) co_await make();
  }
  spent = Spent::since(before);
}

Task<> nothing() { co_return; }

// One after the other, each begun and waited for.
Task<> start_coroutines(Io& io, unsigned times) {
  auto one = [&](TaskGroup& group) -> Task<> {
    check(group.spawn(nothing), "can't start a coroutine");
    co_return;
  };
  for (unsigned i = 0; i < times; ++i) co_await with_task_group(io, one);
}

std::unique_ptr<Driver> best_driver() {
  auto driver = make_driver("auto");
  if (!driver) throw std::system_error(driver.error(), "no I/O model can be used");
  return std::move(*driver);
}

template <class Start>
double microseconds_each(unsigned times, Start start) {
  const Spent before = Spent::now();
  for (unsigned i = 0; i < times; ++i) start();
  return Spent::since(before).seconds * 1e6 / times;
}

}  // namespace

Json measure_switching(const SwitchingWork& work) {
  Io io(best_driver());
  AtOnce at_once;
  const std::uint64_t steps = work.steps > 0 ? work.steps : steps_of(work.span);
  std::uint64_t switches = 0;
  const auto waiting = [&] { return wait(io, work.span, at_once); };
  const auto computing = [&] { return compute(io, steps, work.every, nullptr); };
  const auto in_turns = [&] { return compute(io, steps, work.every, &switches); };
  Spent wait_turn, wait_together, alone, switching;
  io.run(measure(io, work.tasks, false, wait_turn, waiting));
  io.run(measure(io, work.tasks, true, wait_together, waiting));
  io.run(measure(io, work.tasks, true, alone, computing));
  io.run(measure(io, work.tasks, true, switching, in_turns));
  const double lost = switching.cpu_seconds - alone.cpu_seconds;
  return {{"tasks", work.tasks},
          {"steps", steps},
          {"waits_turn_s", wait_turn.seconds},
          {"waits_at_once_s", wait_together.seconds},
          {"waits_peak", at_once.peak.load()},
          {"computing_cpu_s", alone.cpu_seconds},
          {"switching_cpu_s", switching.cpu_seconds},
          {"switches", switches},
          {"switch_ns", lost * 1e9 / static_cast<double>(switches)}};
}

Json measure_starting(unsigned times) {
  // The costly ones a few times less, or they would take all the time.
  const unsigned processes = std::max(times / 10, 1u), programs = std::max(times / 100, 1u);
  const auto end_of = [](auto one) {
    check(one.start(), "can't start one");
    check(one.join(), "can't wait for it");
  };
  Json json;
  // Processes first: one forks only while it has no other thread.
  json["fork_us"] = microseconds_each(processes, [&] { end_of(process::Process([] {})); });
  json["spawn_us"] =
      microseconds_each(programs, [&] { end_of(process::Process::spawned({}, [] {})); });
  json["thread_us"] = microseconds_each(times, [&] { end_of(process::Thread([] {})); });
  Io io(best_driver());
  const Spent before = Spent::now();
  io.run(start_coroutines(io, times * 10));
  json["coroutine_us"] = Spent::since(before).seconds * 1e6 / (times * 10);
  return json;
}

}  // namespace polyio::lab
