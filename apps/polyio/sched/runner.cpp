#include "sched/runner.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>
#include <utility>

namespace polyio::app {
namespace {

using sched::Cause;
using sched::Span;

// What events are about: a job's index, or one of these.
constexpr std::uint64_t signal_event = 1ULL << 40, guardian_event = signal_event + 1,
                        output_event = signal_event + 2;
// A timer any shorter would only burn the processor that it waits for.
constexpr Span least_wait = 200;

Span to_span(Nanoseconds time) {
  return std::chrono::duration_cast<std::chrono::microseconds>(time).count();
}

}  // namespace

Outcome::Ended RunJob::how() const {
  if (!failure.empty()) return {127, failure};
  if (status.signal != 0) return {-status.signal, status.text()};
  return {status.code, status.text() + (status.code == 127 ? ": command not found" : "")};
}

Runner::Runner(const std::vector<CommandSpec>& specs, sched::Policy& policy, const Options& options)
    : policy_(policy), options_(options), guardian_(specs.size()), jobs_(specs.size()) {
  for (std::size_t i = 0; i < specs.size(); ++i) {
    RunJob& job = jobs_[i];
    job.index = i;
    job.spec = &specs[i];
    job.arrival = specs[i].job.arrival;
    const Span guess = specs[i].job.guess;
    job.prediction.emplace(guess > 0 ? static_cast<double>(guess) : options.first_guess,
                           options.alpha);
    by_arrival_.push_back(&job);
  }
  std::ranges::sort(by_arrival_, {},
                    [](const RunJob* job) { return std::pair(job->arrival, job->index); });
  for (std::size_t rank = 0; rank < by_arrival_.size(); ++rank) by_arrival_[rank]->rank = rank;
  if (options.boost > 0) next_boost_ = options.boost;
  const auto watch = [this](int fd, std::uint64_t data) {
    if (auto key = selector_->register_fd(fd, event_read, data); !key) {
      throw std::system_error(key.error(), "waiting");
    }
  };
  watch(signals_.fd(), signal_event);
  watch(guardian_.fd(), guardian_event);
  if (options.shown_output >= 0) watch(options.shown_output, output_event);
}

Span Runner::elapsed() const noexcept { return to_span(monotonic_now() - began_); }

int Runner::run(const Watcher& watcher) {
  began_ = monotonic_now();
  next_show_ = watcher.from;
  while (ended_ < jobs_.size() && signal_ == 0) {
    now_ = elapsed();
    step();
    if (now_ >= next_show_) {
      watcher.on_time();
      next_show_ = elapsed() + watcher.every;
    }
    if (ended_ < jobs_.size()) wait(watcher);
  }
  if (signal_ != 0) end_all();
  return signal_;
}

// What has happened by now, in the order of the simulator.
void Runner::step() {
  const bool arrives = arrived_ < jobs_.size() && by_arrival_[arrived_]->arrival <= now_;
  if (running_ && (now_ >= quantum_ends_ || now_ >= next_look_ || arrives)) charge(*running_);
  if (running_ && policy_.quantum(*running_) <= 0) {
    expired_ = std::exchange(running_, nullptr);
  }
  admit();
  if (now_ >= next_look_) look();
  if (running_ && running_->spec->job.preemptible && policy_.gives_way(*running_)) {
    policy_.add(*std::exchange(running_, nullptr), Cause::preempted);
  }
  if (expired_) policy_.add(*std::exchange(expired_, nullptr), Cause::expired);
  if (now_ >= next_boost_) {
    policy_.boost(running_);
    next_boost_ = (now_ / options_.boost + 1) * options_.boost;
  }
  choose();
  settle();
}

void Runner::admit() {
  while (arrived_ < jobs_.size() && by_arrival_[arrived_]->arrival <= now_) {
    start(*by_arrival_[arrived_++]);
  }
}

void Runner::start(RunJob& job) {
  job.arrived = true;
  job.arrival = job.since = now_;
  auto command =
      process::Command::start(guardian_, job.spec->command, options_.cpu, options_.output);
  if (command) {
    auto key = selector_->register_fd(command->fd(), event_read, job.index);
    if (key) {
      job.command = std::move(*command);
    } else {
      command = fail(key.error());
    }
  }
  if (!command) {
    job.failure = "can't start: " + command.error().message();
    job.finish = job.start = now_;
    job.spans = {1};
    job.ended = true;
    ++ended_;
    return;
  }
  live_.push_back(&job);
  become_ready(job, Cause::created);
}

void Runner::become_ready(RunJob& job, Cause cause) {
  job.burst = std::llround(job.prediction->next());
  set_state(job, State::ready);
  policy_.add(job, cause);
}

// The policy learns what the job has computed, at most to the end of its quantum: the rest is of
// its next turn, so that a timer that came late changes no job's share. One that keeps the
// processor has no quantum: nothing is charged to it.
void Runner::charge(RunJob& job) {
  job.cpu = to_span(job.command.usage().cpu);
  if (!job.spec->job.preemptible) return;
  const Span span = std::min(job.cpu - job.charged, policy_.quantum(job));
  if (span <= 0) return;
  policy_.ran(job, span);
  job.charged += span;
}

void Runner::look() {
  next_look_ = now_ + look_every;
  for (RunJob* const job : live_) {
    if (job->state == State::runs && job == running_ && job->spec->job.preemptible) {
      const auto usage = job->command.usage();
      const Span cpu = to_span(usage.cpu);
      if (!usage.runnable && cpu == job->looked) {
        wait_begins(*job);
      } else if (cpu != job->looked) {
        job->looked = cpu;
        job->grew = now_;
      }
    } else if (job->state == State::io && job->command.usage().runnable) {
      job->spans.push_back(std::max<Span>(now_ - job->grew, 1));
      become_ready(*job, Cause::unblocked);
    }
  }
}

void Runner::wait_begins(RunJob& job) {
  charge(job);
  job.spans.push_back(std::max<Span>(job.cpu - job.burst_from, 1));
  job.prediction->saw(job.spans.back());
  job.burst_from = job.cpu;
  set_state(job, State::io);
  running_ = nullptr;
}

void Runner::choose() {
  chosen_at_ = elapsed();
  while (!running_) {
    auto* const job = static_cast<RunJob*>(policy_.take());
    if (!job) return;
    charge(*job);  // what it owes
    if (policy_.quantum(*job) <= 0) {
      ++skipped_;
      policy_.add(*job, Cause::expired);
    } else {
      running_ = job;
    }
  }
}

// Stops and continues, so that the jobs do what was decided. Those that wait are not stopped: only
// so it is seen that they go on.
void Runner::settle() {
  for (RunJob* const job : live_) {
    if (job == running_ || job->state == State::io) continue;
    if (job->goes) job->command.stop();
    job->goes = false;
    set_state(*job, State::ready);
  }
  quantum_ends_ = sched::unlimited;
  if (!running_) return;
  RunJob& job = *running_;
  if (!job.goes) job.command.go_on();
  job.goes = true;
  if (job.state != State::runs) {
    set_state(job, State::runs);
    job.looked = -1;
    job.grew = now_;
    if (job.start < 0) job.start = now_;
  }
  if (last_ != &job) {
    if (last_) {
      ++switches_;
      switching_ += elapsed() - chosen_at_;
    }
    last_ = &job;
  }
  const Span left = job.spec->job.preemptible ? policy_.quantum(job) : sched::unlimited;
  if (left < sched::unlimited - now_) quantum_ends_ = now_ + std::max(left, least_wait);
}

void Runner::set_state(RunJob& job, State state) {
  if (job.state == state) return;
  if (job.state != State::away && now_ > job.since) {
    job.did.push_back({job.since, now_, job.state});
    if (job.state == State::runs) timeline_.push_back({job.index, job.since, now_});
  }
  job.state = state;
  job.since = now_;
}

void Runner::end(RunJob& job) {
  (void)selector_->unregister(job.command.fd());
  job.status = job.command.finish();
  job.cpu = std::max(job.cpu, to_span(job.status.cpu));
  if (job.state == State::io) job.spans.push_back(std::max<Span>(now_ - job.grew, 1));
  job.spans.push_back(std::max<Span>(job.cpu - job.burst_from, 1));
  if (job.start < 0) job.start = now_;  // another than the scheduler has ended it
  if (!job.spec->job.preemptible) job.spans = {std::max<Span>(now_ - job.start, 1)};
  job.unlink();
  if (running_ == &job) running_ = nullptr;
  set_state(job, State::away);
  job.finish = now_;
  job.ended = true;
  ++ended_;
  std::erase(live_, &job);
}

void Runner::wait(const Watcher& watcher) {
  Span until = std::min({next_boost_, quantum_ends_, next_show_});
  if (arrived_ < jobs_.size()) until = std::min(until, by_arrival_[arrived_]->arrival);
  if (!live_.empty()) until = std::min(until, next_look_);
  std::array<SelectorEvent, 64> events;
  Timeout timeout;
  if (until != sched::unlimited) {
    timeout = std::max(std::chrono::microseconds(until - elapsed()), std::chrono::microseconds(0));
  }
  const auto got = selector_->select(events, timeout);
  if (!got) throw std::system_error(got.error(), "waiting");
  now_ = elapsed();
  for (const SelectorEvent& event : std::span(events).first(*got)) {
    if (event.key.data == signal_event) {
      signal_ = signals_.next();
    } else if (event.key.data == guardian_event) {
      throw std::runtime_error("the guardian process was killed: all jobs are ended");
    } else if (event.key.data == output_event) {
      watcher.on_output();
    } else {
      RunJob& job = jobs_[event.key.data];
      end(job);
      watcher.on_end(job);
    }
  }
}

void Runner::end_all() {
  for (RunJob* const job : live_) {
    job->command.signal(SIGTERM);
    job->command.go_on();
  }
  const Span kill_at = elapsed() + 1'000'000;
  while (!live_.empty() && elapsed() < kill_at) {
    std::array<SelectorEvent, 64> events;
    const auto got = selector_->select(
        events, std::chrono::microseconds(std::max<Span>(kill_at - elapsed(), 0)));
    if (!got || signals_.next() != 0) break;
    now_ = elapsed();
    for (const SelectorEvent& event : std::span(events).first(*got)) {
      if (event.key.data < jobs_.size()) end(jobs_[event.key.data]);
      if (event.key.data >= signal_event) (void)selector_->unregister(event.key.fd);
    }
  }
  now_ = elapsed();
  while (!live_.empty()) end(*live_.back());
}

Span Runner::switch_cost() const noexcept {
  return switches_ == 0 ? 0 : switching_ / static_cast<Span>(switches_);
}

Span Runner::given() const noexcept {
  Span all = 0;
  for (const sched::Segment& segment : timeline_) all += segment.end - segment.begin;
  return all;
}

Jobs Runner::measured() const {
  Jobs jobs;
  for (const RunJob& job : jobs_) {
    jobs.push_back(job.spec->job);
    jobs.back().arrival = job.arrival;
    jobs.back().bursts = job.spans;
  }
  return jobs;
}

Outcome Runner::outcome(std::string name) const {
  Outcome outcome{.policy = std::move(name), .report = {}, .did = {}, .unit = 1000};
  auto& report = outcome.report;
  report.timeline = timeline_;
  report.switches = switches_;
  for (const RunJob& job : jobs_) {
    sched::JobReport own;
    own.start = job.start;
    own.finish = job.finish;
    own.burst = job.cpu;
    for (const Stretch& stretch : job.did) {
      const Span span = stretch.end - stretch.begin;
      if (stretch.state == State::io) own.io += span;
      if (stretch.state == State::ready) own.waiting += span;
    }
    own.turnaround = own.finish - job.arrival;
    own.response = own.start - job.arrival;
    report.turnaround += static_cast<double>(own.turnaround);
    report.waiting += static_cast<double>(own.waiting);
    report.response += static_cast<double>(own.response);
    report.end = std::max(report.end, own.finish);
    report.jobs.push_back(own);
    outcome.did.push_back(job.did);
    outcome.ended.push_back(job.how());
  }
  const auto count = static_cast<double>(jobs_.size());
  report.turnaround /= count;
  report.waiting /= count;
  report.response /= count;
  report.idle = std::max<Span>(report.end - given(), 0);
  return outcome;
}

}  // namespace polyio::app
