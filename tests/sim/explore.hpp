// explore(): runs a scenario under the sim driver for many seeds and checks after each that nothing
// is left behind. A scenario is a coroutine, Task<>(Io&, SimDriver&, Random&): it builds servers
// and clients as tasks of that Io, draws its own choices from the Random, and reports what is wrong
// by require(), by any exception or by gtest's EXPECT_. The rule: nothing but the seed may
// influence a run.
//   POLYIO_SEED=1234   runs that seed alone, with the trace on stderr
//   POLYIO_SEEDS=1000  overrides how many seeds are run, POLYIO_FIRST_SEED=5000 from where on
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <polyio/base/random.hpp>
#include <polyio/base/sanitizers.hpp>
#include <polyio/io/io.hpp>
#include <polyio/sim/sim.hpp>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>
#if POLYIO_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

namespace polyio::sim_test {

using Scenario = std::function<Task<>(Io&, SimDriver&, Random&)>;
using OptionsOf = std::function<SimOptions(std::uint64_t seed)>;

// Ends the run as failed with `what`. For use in tasks: the exception cancels the others of their
// group.
inline void require(bool condition, std::string_view what) {
  if (!condition) throw std::runtime_error(std::string(what));
}

// Requires that `error` is one of the errno values `legal`.
inline void require_errno(std::error_code error, std::span<const int> legal,
                          std::string_view what) {
  for (const int number : legal) {
    if (error == errno_code(number)) return;
  }
  throw std::runtime_error(fmt::format("{}: {}, which it must not", what, error.message()));
}

struct SeedRun {
  std::uint64_t seed = 0;
  std::uint64_t trace_hash = 0;
  std::string profile;
  std::string failure;  // empty: passed
};

namespace detail {

inline void add(std::string& failure, std::string_view what) {
  if (!failure.empty()) failure += "\n";
  failure += what;
}

// An Io that still has jobs can't be destroyed; reachable from here it is no leak to the sanitizer.
inline void abandon(std::unique_ptr<Io> io) {
  static auto& abandoned = *new std::vector<Io*>;
  abandoned.push_back(io.release());
}

inline void check_nothing_left(Io& io, SimDriver& sim, std::string& failure) {
  const auto expect_none = [&](std::size_t count, const char* what) {
    if (count) add(failure, fmt::format("left behind: {} {}", count, what));
  };
  expect_none(io.jobs(), "jobs");
  expect_none(io.timers(), "timers");
  expect_none(sim.ops_in_flight(), "operations");
  expect_none(sim.open_handles(), "handles");
  const LeaseCounts out = io.driver().leases();
  expect_none(out.large + out.own, "leases");
  expect_none(io.retired_drivers(), "drivers that were replaced");
}

}  // namespace detail

// One run. After a deadlock the root scope is cancelled, so that the tasks end and can be
// destroyed.
inline SeedRun run_seed(const Scenario& scenario, const SimOptions& options, bool trace = false) {
  SeedRun run{options.seed, 0, std::string(options.profile), ""};
  auto driver = std::make_unique<SimDriver>(options);
  const auto observer = driver->another();  // stays when the Io gets another driver
  SimDriver& sim = *observer;
  auto io = std::make_unique<Io>(std::move(driver));
  Random random(options.seed ^ 0x7363656e6172696fu);
  if (trace) sim.set_trace([](const std::string& line) { fmt::print(stderr, "{}\n", line); });
  bool stuck = false;
  sim.set_deadlock_handler([&](const std::string& report) {
    detail::add(run.failure, report);
    if (std::exchange(stuck, true)) throw SimDeadlock("and again, with everything cancelled");
    io->cancel_all();
  });
  try {
    io->run(scenario(*io, sim, random));
  } catch (const std::exception& error) {
    detail::add(run.failure, error.what());
  }
  detail::check_nothing_left(*io, sim, run.failure);
  run.trace_hash = sim.trace_hash();
  if (::testing::Test::HasFailure()) detail::add(run.failure, "an EXPECT_ failed");
  if (io->jobs()) detail::abandon(std::move(io));
  return run;
}

// The first seed of `count` from `first` on that fails; for tests that show that an oracle bites.
inline std::optional<SeedRun> find_failure(const Scenario& scenario, std::uint64_t first,
                                           std::uint64_t count,
                                           const OptionsOf& options_of = SimOptions::from_seed) {
  for (std::uint64_t seed = first; seed != first + count; ++seed) {
    SeedRun run = run_seed(scenario, options_of(seed));
    if (!run.failure.empty()) return run;
  }
  return std::nullopt;
}

inline std::optional<std::uint64_t> number_from_env(const char* name) {
  const char* text = std::getenv(name);
  if (!text) return std::nullopt;
  std::uint64_t value = 0;
  const std::string_view view(text);
  const auto end = std::from_chars(view.data(), view.data() + view.size(), value);
  if (end.ec != std::errc{} || end.ptr != view.data() + view.size()) {
    throw std::invalid_argument(fmt::format("{}={} is no number", name, text));
  }
  return value;
}

// The command that runs `seed` of the current test again.
inline std::string replay_command(std::uint64_t seed) {
  const auto program = std::filesystem::read_symlink("/proc/self/exe");
  const auto relative = std::filesystem::proximate(program);
  const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
  return fmt::format("POLYIO_SEED={} {} --gtest_filter={}.{}", seed,
                     relative.string().starts_with("..") ? program.string() : relative.string(),
                     test->test_suite_name(), test->name());
}

namespace detail {

// A failed assert or a sanitizer's report ends the process: it must name the seed as well.
inline std::string& line_at_death() {
  static auto& line = *new std::string;
  return line;
}

inline void write_at_death() {
  const std::string& line = line_at_death();
  if (!line.empty()) (void)!::write(STDERR_FILENO, line.data(), line.size());
}

class DeathWatch {
 public:
  DeathWatch() {
#if POLYIO_ASAN
    __sanitizer_set_death_callback(write_at_death);
    old_segv_ = SIG_ERR;
#else
    old_segv_ = std::signal(SIGSEGV, on_signal);
#endif
    old_abort_ = std::signal(SIGABRT, on_signal);
  }
  ~DeathWatch() {
    line_at_death().clear();
    if (old_segv_ != SIG_ERR) std::signal(SIGSEGV, old_segv_);
    std::signal(SIGABRT, old_abort_);
  }
  void watch(std::uint64_t seed) {
    if (command_.empty()) command_ = replay_command(0).substr(std::string("POLYIO_SEED=0").size());
    line_at_death() = fmt::format("replay: POLYIO_SEED={}{}\n", seed, command_);
  }

 private:
  static void on_signal(int number) {
    write_at_death();
    std::signal(number, SIG_DFL);
    std::raise(number);
  }
  using Handler = void (*)(int);
  Handler old_segv_, old_abort_;
  std::string command_;
};

class Progress {
 public:
  Progress(std::string_view name, std::uint64_t count) : name_(name), count_(count) {}
  void print(std::uint64_t done) {
    if (done % 64 != 0 && done != count_) return;
    const auto now = std::chrono::steady_clock::now();
    const bool last = done == count_ && printed_ != start_;
    if (now - printed_ < std::chrono::seconds(2) && !last) return;
    printed_ = now;
    const double seconds = std::chrono::duration<double>(now - start_).count();
    fmt::print(stderr, "{}: {} of {} seeds, {:.0f} a second\n", name_, done, count_,
               static_cast<double>(done) / seconds);
  }

 private:
  std::string_view name_;
  std::uint64_t count_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now(),
                                        printed_ = start_;
};

}  // namespace detail

// Runs `scenario` for `count` seeds from `first` on, inside a gtest TEST; stops at the first that
// fails and prints the command that replays it. `options_of` makes a network from a seed.
inline void explore(std::string_view name, const Scenario& scenario, std::uint64_t first,
                    std::uint64_t count, const OptionsOf& options_of = SimOptions::from_seed) {
  const auto only = number_from_env("POLYIO_SEED");
  if (only) {
    first = *only;
    count = 1;
  } else {
    // A tenth where each takes ten times as long: a sanitizer watches the paths, not for new ones.
    const bool slow = POLYIO_ASAN || POLYIO_TSAN;
    if (slow && count >= 10'000) count /= 10;
    count = number_from_env("POLYIO_SEEDS").value_or(count);
    first = number_from_env("POLYIO_FIRST_SEED").value_or(first);
  }
  detail::DeathWatch death;
  detail::Progress progress(name, count);
  for (std::uint64_t i = 0; i < count; ++i) {
    death.watch(first + i);
    const SimOptions options = options_of(first + i);
    const SeedRun run = run_seed(scenario, options, only.has_value());
    if (!run.failure.empty()) {
      ADD_FAILURE() << name << ", seed " << run.seed << " (" << run.profile << "): " << run.failure
                    << "\nreplay: " << replay_command(run.seed);
      return;
    }
    progress.print(i + 1);
  }
}

}  // namespace polyio::sim_test
