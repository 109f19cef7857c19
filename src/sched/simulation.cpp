#include <algorithm>
#include <cmath>
#include <polyio/sched/simulation.hpp>
#include <queue>
#include <stdexcept>
#include <utility>

namespace polyio::sched {
namespace {

struct SimulatedJob : Entry {
  std::size_t index = 0;
  const JobSpec* spec = nullptr;
  std::size_t phase = 0;  // of spec->bursts
  Span left = 0;          // of this burst
  std::optional<Prediction> prediction;
  bool started = false;
};

class Simulation {
 public:
  Simulation(const std::vector<JobSpec>& specs, Policy& policy, const SimulationOptions& options)
      : policy_(policy), options_(options), jobs_(specs.size()) {
    report_.jobs.resize(specs.size());
    std::vector<SimulatedJob*> by_arrival;
    for (std::size_t i = 0; i < specs.size(); ++i) {
      check(specs[i]);
      jobs_[i].index = i;
      jobs_[i].spec = &specs[i];
      if (options.alpha) {
        const Span guess = specs[i].guess;
        jobs_[i].prediction.emplace(guess > 0 ? static_cast<double>(guess) : options.first_guess,
                                    *options.alpha);
      }
      by_arrival.push_back(&jobs_[i]);
    }
    std::ranges::sort(by_arrival, {}, [](const SimulatedJob* job) {
      return std::pair(job->spec->arrival, job->index);
    });
    for (std::size_t rank = 0; rank < by_arrival.size(); ++rank) {
      by_arrival[rank]->rank = rank;
      events_.push({by_arrival[rank]->spec->arrival, by_arrival[rank]});
    }
    if (options.boost > 0) next_boost_ = options.boost;
  }

  Report run() {
    for (;;) {
      admit();
      if (!running_) running_ = static_cast<SimulatedJob*>(policy_.take());
      if (running_) {
        run_on();
      } else if (events_.empty()) {
        return finished();
      } else {
        report_.idle += events_.top().at - now_;
        now_ = events_.top().at;
      }
    }
  }

 private:
  struct Event {
    Span at;
    SimulatedJob* job;
    bool operator<(const Event& other) const {  // the earliest is on top
      return at != other.at ? at > other.at : job->rank > other.job->rank;
    }
  };

  static void check(const JobSpec& spec) {
    const auto wrong = [&](const char* what) { throw std::invalid_argument(spec.name + what); };
    if (spec.arrival < 0) wrong(" arrives before 0");
    if (spec.bursts.size() % 2 == 0) wrong(": bursts and I/O alternate, and a burst is the last");
    for (const Span span : spec.bursts) {
      if (span <= 0) wrong(": a burst or I/O takes more than 0");
    }
  }

  // Takes what happens now, in the order that the header promises.
  void admit() {
    while (!events_.empty() && events_.top().at <= now_) {
      SimulatedJob& job = *events_.top().job;
      events_.pop();
      job.left = job.spec->bursts[job.phase];
      job.burst = job.prediction ? std::llround(job.prediction->next()) : job.left;
      policy_.add(job, job.phase == 0 ? Cause::created : Cause::unblocked);
    }
    if (running_ && running_->spec->preemptible && policy_.gives_way(*running_)) {
      policy_.add(*std::exchange(running_, nullptr), Cause::preempted);
    }
    if (expired_) policy_.add(*std::exchange(expired_, nullptr), Cause::expired);
    if (now_ >= next_boost_) {
      policy_.boost(running_);
      next_boost_ = (now_ / options_.boost + 1) * options_.boost;
    }
  }

  // The running job goes on until its burst or quantum ends, or something happens before.
  void run_on() {
    if (++turns_ > options_.most_turns) {
      throw std::length_error("the jobs take more than " + std::to_string(options_.most_turns) +
                              " turns on the processor: try a longer quantum, or shorter bursts");
    }
    SimulatedJob& job = *running_;
    if (last_ != &job) {
      if (last_) {
        ++report_.switches;
        now_ += options_.switch_cost;
      }
      last_ = &job;
    }
    if (!std::exchange(job.started, true)) report_.jobs[job.index].start = now_;
    const Span quantum = job.spec->preemptible ? policy_.quantum(job) : unlimited;
    Span span = std::min(job.left, quantum);
    const Span happens = std::min(next_boost_, events_.empty() ? unlimited : events_.top().at);
    if (happens - now_ < span) span = std::max<Span>(happens - now_, 0);
    record(job, span);
    now_ += span;
    job.left -= span;
    if (job.spec->preemptible) policy_.ran(job, span);
    if (job.left > 0 && span < quantum) return;
    running_ = nullptr;
    if (job.left > 0) {
      expired_ = &job;
    } else {
      end_burst(job);
    }
  }

  void record(const SimulatedJob& job, Span span) {
    if (span == 0) return;
    auto& timeline = report_.timeline;
    if (!timeline.empty() && timeline.back().job == job.index && timeline.back().end == now_) {
      timeline.back().end += span;
    } else {
      timeline.push_back({job.index, now_, now_ + span});
    }
  }

  void end_burst(SimulatedJob& job) {
    const auto& bursts = job.spec->bursts;
    if (job.prediction) job.prediction->saw(bursts[job.phase]);
    if (job.phase + 1 < bursts.size()) {
      events_.push({now_ + bursts[job.phase + 1], &job});
      job.phase += 2;
    } else {
      report_.jobs[job.index].finish = now_;
    }
  }

  Report finished() {
    report_.end = now_;
    Span turnaround = 0, waiting = 0, response = 0;
    for (const SimulatedJob& job : jobs_) {
      JobReport& own = report_.jobs[job.index];
      for (std::size_t i = 0; i < job.spec->bursts.size(); ++i) {
        (i % 2 == 0 ? own.burst : own.io) += job.spec->bursts[i];
      }
      own.turnaround = own.finish - job.spec->arrival;
      own.waiting = own.turnaround - own.burst - own.io;
      own.response = own.start - job.spec->arrival;
      turnaround += own.turnaround;
      waiting += own.waiting;
      response += own.response;
    }
    const auto count = static_cast<double>(std::max<std::size_t>(jobs_.size(), 1));
    report_.turnaround = static_cast<double>(turnaround) / count;
    report_.waiting = static_cast<double>(waiting) / count;
    report_.response = static_cast<double>(response) / count;
    return std::move(report_);
  }

  Policy& policy_;
  const SimulationOptions options_;
  std::vector<SimulatedJob> jobs_;
  std::priority_queue<Event> events_;
  Span now_ = 0;
  Span next_boost_ = unlimited;
  SimulatedJob* running_ = nullptr;
  SimulatedJob* expired_ = nullptr;  // its quantum ended, and it does not queue again yet
  SimulatedJob* last_ = nullptr;     // on the processor
  std::size_t turns_ = 0;
  Report report_;
};

}  // namespace

Report simulate(const std::vector<JobSpec>& jobs, Policy& policy,
                const SimulationOptions& options) {
  return Simulation(jobs, policy, options).run();
}

}  // namespace polyio::sched
