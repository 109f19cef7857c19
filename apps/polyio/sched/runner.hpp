// Runner: real processes under a sched::Policy, on one processor. It does what the simulator does,
// with what happens instead of what is calculated: a job arrives by the clock, ends by its pidfd,
// and has used its quantum when its processor time says so. That one waits (for I/O, a timer,
// another process) no event tells: it is seen by looking, when a job's processor time has stood
// still from one look to the next and none of its threads is runnable; that it goes on, when one
// is. All times are microseconds since the start.
#pragma once

#include <functional>
#include <optional>
#include <polyio/base/clock.hpp>
#include <polyio/linux/process.hpp>
#include <polyio/os/signals.hpp>
#include <polyio/process/command.hpp>
#include <polyio/selectors/selector.hpp>

#include "sched/job_list.hpp"
#include "sched/report.hpp"

namespace polyio::app {

// How often states are looked at: what is shorter than two looks is not seen as waiting.
inline constexpr sched::Span look_every = 1000;

struct RunJob : sched::Entry {
  std::size_t index = 0;
  const CommandSpec* spec = nullptr;
  process::Command command;
  State state = State::away;
  bool arrived = false, ended = false;
  sched::Span since = 0;  // in this state

  bool goes = false;               // it is not stopped
  sched::Span cpu = 0;             // by now
  sched::Span charged = 0;         // of that, what the policy knows of
  sched::Span looked = -1;         // `cpu` at the last look of this turn
  sched::Span grew = 0;            // when a look last saw it grow
  sched::Span burst_from = 0;      // `cpu` when this burst began
  std::vector<sched::Span> spans;  // measured: burst, I/O, burst ...
  std::optional<sched::Prediction> prediction;
  sched::Span arrival = 0, start = -1, finish = 0;
  std::vector<Stretch> did;
  os::ExitStatus status;
  std::string failure;  // why it did not start
  Outcome::Ended how() const;
};

class Runner {
 public:
  struct Options {
    int cpu = 0;
    int output = 2;         // what the jobs print goes there
    int shown_output = -1;  // of a pipe that on_output() is to empty
    sched::Span boost = 0;  // 0: never
    double alpha = 0.5, first_guess = 10'000;
  };
  // What its user shows. Called between two steps, and never while jobs wait for a decision.
  struct Watcher {
    std::function<void()> on_time;    // every `every`, from `from` on
    std::function<void()> on_output;  // `shown_output` is readable
    std::function<void(const RunJob&)> on_end;
    sched::Span every = sched::unlimited, from = 0;
  };

  Runner(const std::vector<CommandSpec>& specs, sched::Policy& policy, const Options& options);

  // Until all have ended; or a signal (SIGINT, SIGTERM, SIGHUP) has ended them, whose number it
  // answers then: SIGTERM for each job, and SIGKILL after a second, or at another signal. Throws
  // std::runtime_error when it can't go on; no job is left then either.
  int run(const Watcher& watcher);

  const std::vector<RunJob>& jobs() const noexcept { return jobs_; }
  const RunJob* running() const noexcept { return running_; }
  sched::Span now() const noexcept { return now_; }
  // After run(): what was measured, with the jobs' `measured` bursts for a simulation.
  Outcome outcome(std::string name) const;
  Jobs measured() const;
  // What a switch took, on average.
  sched::Span switch_cost() const noexcept;
  // How long jobs had the processor; other programs on it, and the system's work, are in that.
  sched::Span given() const noexcept;
  // Turns that were used up by what a job had computed beyond its quanta before.
  std::size_t skipped() const noexcept { return skipped_; }

 private:
  sched::Span elapsed() const noexcept;
  void step();
  void admit();
  void start(RunJob& job);
  void become_ready(RunJob& job, sched::Cause cause);
  void charge(RunJob& job);
  void look();
  void wait_begins(RunJob& job);
  void choose();
  void settle();
  void set_state(RunJob& job, State state);
  void end(RunJob& job);
  void wait(const Watcher& watcher);
  void end_all();

  sched::Policy& policy_;
  const Options options_;
  os::SignalQueue signals_{SIGINT, SIGTERM, SIGHUP};
  process::Guardian guardian_;
  std::vector<RunJob> jobs_;
  std::vector<RunJob*> by_arrival_, live_;
  std::unique_ptr<Selector> selector_ = default_selector();
  TimePoint began_{};
  sched::Span now_ = 0, next_look_ = 0, next_show_ = 0;
  sched::Span next_boost_ = sched::unlimited;
  sched::Span quantum_ends_ = sched::unlimited;  // a guess: by its processor time it is decided
  RunJob* running_ = nullptr;
  RunJob* expired_ = nullptr;
  RunJob* last_ = nullptr;  // on the processor
  std::size_t arrived_ = 0, ended_ = 0, switches_ = 0, skipped_ = 0;
  sched::Span chosen_at_ = 0, switching_ = 0;
  int signal_ = 0;
  std::vector<sched::Segment> timeline_;
};

}  // namespace polyio::app
