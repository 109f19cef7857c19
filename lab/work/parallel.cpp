#include <sys/resource.h>

#include <atomic>
#include <cmath>
#include <ctime>
#include <polyio/linux/process.hpp>
#include <polyio/process/process.hpp>
#include <polyio/process/thread.hpp>
#include <system_error>
#include <thread>

#include "spent.hpp"
#include "work.hpp"

namespace polyio::lab {
namespace {

// Starts all, then waits for all.
template <class Runner, class Function>
void run_at_once(unsigned tasks, const Function& function) {
  std::vector<Runner> all;
  std::error_code failed;
  for (unsigned i = 0; i < tasks && !failed; ++i) {
    all.emplace_back(function);
    if (auto started = all.back().start(); !started) {
      failed = started.error();
      all.pop_back();
    }
  }
  for (Runner& one : all) (void)one.join();
  if (failed) throw std::system_error(failed, "can't start " + std::to_string(tasks) + " tasks");
}

}  // namespace

Spent Spent::now() {
  Spent spent{.seconds = std::chrono::duration<double>(monotonic_now().time_since_epoch()).count()};
  for (const int whose : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage used{};
    ::getrusage(whose, &used);
    for (const timeval& time : {used.ru_utime, used.ru_stime}) {
      spent.cpu_seconds +=
          static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    }
    spent.waits += static_cast<double>(used.ru_nvcsw);
  }
  return spent;
}

Spent Spent::since(const Spent& before) {
  const Spent now = Spent::now();
  const auto whole_us = [](double seconds) { return std::round(seconds * 1e6) / 1e6; };
  return {whole_us(now.seconds - before.seconds), whole_us(now.cpu_seconds - before.cpu_seconds),
          now.waits - before.waits};
}

void compute_steps(std::uint64_t steps) noexcept {
  std::uint64_t value = 1;
  // No compiler can do several at once.
  for (std::uint64_t i = 0; i < steps; ++i) value = (value ^ (value >> 29)) * 0x9e3779b97f4a7c15u;
  [[maybe_unused]] const volatile std::uint64_t kept = value;
}

std::uint64_t steps_of(Nanoseconds span) {
  constexpr std::uint64_t tried = 2'000'000;
  double best = 1e9;
  for (int i = 0; i < 3; ++i) {
    const std::clock_t before = std::clock();
    compute_steps(tried);
    best = std::min(best, static_cast<double>(std::clock() - before));
  }
  const double seconds = std::max(best, 1.0) / CLOCKS_PER_SEC;
  return static_cast<std::uint64_t>(
      std::ceil(static_cast<double>(span.count()) / 1e9 / seconds * static_cast<double>(tried)));
}

Json measure_parallel(const ParallelWork& work) {
  const os::SharedPages pages(sizeof(AtOnce));
  auto& at_once = *new (pages.data()) AtOnce();
  const std::uint64_t steps = work.steps > 0 ? work.steps : steps_of(work.span);
  const auto task = [&at_once, &work, steps] {
    const AtOnce::Task inside(at_once);
    if (work.io) {
      std::this_thread::sleep_for(work.span);
    } else {
      compute_steps(steps);
    }
  };
  Json json{{"tasks", work.tasks}};
  if (!work.io) json["steps"] = steps;
  const auto measure = [&](const std::string& name, auto run) {
    at_once.peak = 0;
    const Spent before = Spent::now();
    run();
    const Spent spent = Spent::since(before);
    json[name + "_s"] = spent.seconds;
    json[name + "_cpu_s"] = spent.cpu_seconds;
    json[name + "_waits"] = spent.waits;
    json[name + "_peak"] = at_once.peak.load();
  };
  if (work.turn) {
    measure("turn", [&] {
      for (unsigned i = 0; i < work.tasks; ++i) task();
    });
  }
  // Before the threads: a process forks only while it has no other thread.
  if (work.processes) {
    measure("processes", [&] { run_at_once<process::Process>(work.tasks, task); });
  }
  if (work.threads) {
    measure("threads", [&] { run_at_once<process::Thread>(work.tasks, task); });
  }
  return json;
}

}  // namespace polyio::lab
