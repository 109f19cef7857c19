// Scheduling policies: what textbooks say of FCFS, SJF, round robin and multilevel feedback, by
// real processes on one core, and what the simulator says of the same jobs.
#include <fmt/format.h>

#include <array>

#include "judging.hpp"

namespace polyio::lab {
namespace {

// Jobs as of `polyio lab work scheduling`: name:arrival:burst[:io:burst...], in ms.
struct Jobs {
  std::string name;
  std::vector<std::string> list;
  double seconds;  // that they take
};

Trial under(const std::string& policy, const Jobs& jobs, int quantum_ms = 20) {
  Trial trial{.name = fmt::format("{} under {}", jobs.name, policy),
              .arguments = {"lab", "work", "scheduling", "--policy", policy},
              .seconds = jobs.seconds + 0.05};
  if (policy == "rr") {
    trial.name += fmt::format(" with {} ms", quantum_ms);
    trial.arguments.insert(trial.arguments.end(), {"--quantum", std::to_string(quantum_ms)});
  }
  if (policy == "sjf") trial.arguments.emplace_back("--preemptive");
  trial.arguments.insert(trial.arguments.end(), jobs.list.begin(), jobs.list.end());
  return trial;
}

// A figure of a trial: the average of these jobs' spans, or one of the whole.
struct Figure {
  Trial trial;
  std::vector<std::string> names;  // "end_ms", "short1_waiting_ms"
  std::string called;

  Quantity quantity(const Evidence& evidence, bool simulated = false) const {
    const std::string prefix = simulated ? "simulated_" : "";
    Quantity all = quantity_of(evidence, trial, prefix + names[0], "ms", called);
    for (std::size_t i = 1; i < names.size(); ++i) {
      const Quantity more = quantity_of(evidence, trial, prefix + names[i], "ms", called);
      if (all.missing.empty()) all.missing = more.missing;
      Series both;
      for (const auto& [round, sum] : all.series.by_round) {
        const auto found = more.series.by_round.find(round);
        if (found != more.series.by_round.end()) both.by_round[round] = sum + found->second;
      }
      all.series = both;
    }
    for (auto& [round, sum] : all.series.by_round) sum /= static_cast<double>(names.size());
    return all;
  }
};

// What ran decides; what was simulated is said beside it.
Finding judged(const Evidence& evidence, const Figure& a, Relation relation, double times,
               const Figure& b) {
  Finding found = compare(a.quantity(evidence), relation, times, b.quantity(evidence));
  const auto simulated =
      ratio_of(a.quantity(evidence, true).series, b.quantity(evidence, true).series);
  if (simulated) {
    found.measured += fmt::format(" (simulated: {:.3g} times)", simulated->median);
  }
  for (const Figure* const one : {&a, &b}) {
    found = unless_busy(std::move(found), ratio_of(evidence.of(one->trial, "computed_ms"),
                                                   evidence.of(one->trial, "given_ms")));
  }
  return found;
}

// A figure for each of `values`, which are the x axis.
template <class Values, class Make>
std::vector<std::pair<double, Figure>> over(const Values& values, Make figure_of) {
  std::vector<std::pair<double, Figure>> figures;
  figures.reserve(values.size());
  for (const int value : values) figures.emplace_back(value, figure_of(value));
  return figures;
}

Graph::Line line_of(const Evidence& evidence, std::string name, bool simulated,
                    const std::vector<std::pair<double, Figure>>& figures) {
  Graph::Line line{std::move(name), {}, {}};
  for (const auto& [x, figure] : figures) {
    const auto spread = figure.quantity(evidence, simulated).series.spread();
    line.x.push_back(x);
    line.y.push_back(spread ? std::optional(spread->median) : std::nullopt);
  }
  return line;
}

// Short jobs behind a long one.
const Jobs& convoy() {
  static const Jobs jobs{"a convoy", {"long:0:240", "short1:10:20", "short2:20:20"}, 0.3};
  return jobs;
}
std::vector<Trial> convoy_trials(const Settings&) {
  return {under("fcfs", convoy()), under("rr", convoy())};
}
Finding judge_convoy(const Evidence& evidence) {
  const std::vector<std::string> waiting{"short1_waiting_ms", "short2_waiting_ms"};
  return judged(evidence, {under("fcfs", convoy()), waiting, "short jobs under FCFS wait"},
                Relation::at_least, 3, {under("rr", convoy()), waiting, "in turns of 20 ms"});
}

// One that computes, and one of much I/O.
const Jobs& device() {
  static const Jobs jobs{"a device", {"compute:0:240", "io:10:15:40:15:40:15:40:15"}, 0.4};
  return jobs;
}
std::vector<Trial> device_trials(const Settings&) {
  return {under("fcfs", device()), under("rr", device())};
}
Finding judge_device(const Evidence& evidence) {
  const std::vector<std::string> turnaround{"io_turnaround_ms"}, end{"end_ms"};
  return all_of(
      {judged(evidence, {under("fcfs", device()), turnaround, "the I/O job under FCFS"},
              Relation::at_least, 1.3, {under("rr", device()), turnaround, "in turns of 20 ms"}),
       judged(evidence, {under("fcfs", device()), end, "all ended under FCFS"}, Relation::at_least,
              1.1, {under("rr", device()), end, "in turns"})});
}

// A long job while short ones keep coming.
constexpr std::array<int, 3> counts{2, 4, 8};
Jobs stream(int count) {
  Jobs jobs{fmt::format("{} short jobs", count), {"long:1:100"}, 0.1 + 0.03 * count};
  for (int i = 0; i < count; ++i) jobs.list.push_back(fmt::format("s{}:{}:30", i, 20 * i));
  return jobs;
}
std::vector<Trial> stream_trials(const Settings&) {
  std::vector<Trial> trials;
  for (const int count : counts) {
    for (const char* const policy : {"sjf", "fcfs"}) trials.push_back(under(policy, stream(count)));
  }
  return trials;
}
Figure long_waits(const std::string& policy, int count) {
  return {under(policy, stream(count)),
          {"long_waiting_ms"},
          count == counts[0] ? fmt::format("with {}", count)
                             : fmt::format("the long job under {} with {} short ones waits",
                                           policy == "sjf" ? "SJF" : "FCFS", count)};
}
Finding judge_starving(const Evidence& evidence) {
  Finding found = all_of(
      {judged(evidence, long_waits("sjf", 8), Relation::at_least, 3, long_waits("sjf", 2)),
       judged(evidence, long_waits("fcfs", 8), Relation::at_most, 1.5, long_waits("fcfs", 2))});
  const auto over_counts = [](const std::string& policy) {
    return over(counts, [&](int count) { return long_waits(policy, count); });
  };
  found.graph = {"short jobs",
                 "ms that the long one waits",
                 {line_of(evidence, "sjf", false, over_counts("sjf")),
                  line_of(evidence, "sjf, simulated", true, over_counts("sjf")),
                  line_of(evidence, "fcfs", false, over_counts("fcfs"))}};
  return found;
}

// What is urgent is the longest.
const Jobs& alarm() {
  static const Jobs jobs{
      "an alarm", {"alarm:0:60", "report1:0:50", "report2:10:55", "report3:20:40"}, 0.25};
  return jobs;
}
std::vector<Trial> alarm_trials(const Settings&) {
  return {under("sjf", alarm()), under("fcfs", alarm())};
}
Finding judge_alarm(const Evidence& evidence) {
  const std::vector<std::string> turnaround{"alarm_turnaround_ms"};
  return judged(evidence, {under("sjf", alarm()), turnaround, "the alarm under SJF takes"},
                Relation::at_least, 2, {under("fcfs", alarm()), turnaround, "under FCFS"});
}

// Three that compute, and a key that is pressed.
const Jobs& keyboard() {
  static const Jobs jobs{"a key", {"a:0:100", "b:0:100", "c:0:100", "key:5:15"}, 0.35};
  return jobs;
}
constexpr std::array<int, 5> quanta{1, 5, 20, 100, 1000};
std::vector<Trial> quantum_trials(const Settings&) {
  std::vector<Trial> trials{under("fcfs", keyboard())};
  for (const int quantum : quanta) trials.push_back(under("rr", keyboard(), quantum));
  return trials;
}
Figure with_quantum(int quantum, const char* figure) {
  return {under("rr", keyboard(), quantum), {figure}, fmt::format("with {} ms", quantum)};
}
Graph over_quanta(const Evidence& evidence, const char* figure, std::string y_label) {
  const auto figures = over(quanta, [&](int quantum) { return with_quantum(quantum, figure); });
  return {"quantum in ms",
          std::move(y_label),
          {line_of(evidence, "processes", false, figures),
           line_of(evidence, "simulated", true, figures)}};
}
Finding judge_short_quantum(const Evidence& evidence) {
  Figure lost = with_quantum(1, "lost_ms");
  lost.called = "time in which no job computes, " + lost.called;
  Finding found = judged(evidence, lost, Relation::at_least, 2, with_quantum(20, "lost_ms"));
  found.graph = over_quanta(evidence, "lost_ms", "ms in which no job computes");
  return found;
}
Finding judge_long_quantum(const Evidence& evidence) {
  Figure longest = with_quantum(1000, "key_response_ms");
  longest.called = "the key waits, " + longest.called;
  const Figure fcfs{under("fcfs", keyboard()), {"key_response_ms"}, "under FCFS"};
  Finding found =
      all_of({judged(evidence, longest, Relation::at_least, 2, with_quantum(20, "key_response_ms")),
              judged(evidence, longest, Relation::at_least, 0.8, fcfs)});
  found.graph = over_quanta(evidence, "key_response_ms", "ms that the key waits");
  return found;
}

// Two that compute for long, a shell that waits for keys, a mail.
const Jobs& desk() {
  static const Jobs jobs{
      "a desk", {"build:0:200", "video:0:150", "shell:30:15:30:15:30:15", "mail:90:15"}, 0.45};
  return jobs;
}
std::vector<Trial> desk_trials(const Settings&) {
  return {under("fcfs", desk()), under("sjf", desk()), under("mlfq", desk())};
}
Finding judge_mlfq(const Evidence& evidence) {
  const std::vector<std::string> turnaround{"shell_turnaround_ms", "mail_turnaround_ms"};
  const Figure mlfq{under("mlfq", desk()), turnaround, "shell and mail take under MLFQ"};
  return all_of({judged(evidence, mlfq, Relation::at_most, 1.5,
                        {under("sjf", desk()), turnaround, "under SJF with known run times"}),
                 judged(evidence, {under("fcfs", desk()), turnaround, "under FCFS"},
                        Relation::at_least, 2, mlfq)});
}

}  // namespace

std::span<const Claim> scheduling_claims() {
  static const std::vector<Claim> claims{
      {"fcfs-hurts-short-jobs",
       "First come, first served hurts short jobs: behind a long one they wait at least 3 "
       "times as long as with round robin.",
       "S4", nullptr, convoy_trials, judge_convoy},
      {"fcfs-hurts-io-jobs",
       "First come, first served hurts jobs of much I/O: beside one that computes such a "
       "job takes at least 1.3 times as long as with round robin, and all at least 1.1 "
       "times, because the device stands still.",
       "S4", nullptr, device_trials, judge_device},
      {"sjf-starves-long-jobs",
       "Shortest job first starves long ones: with 8 short ones that keep coming it waits "
       "at least 3 times as long as with 2, where with FCFS it is at most 1.5 times.",
       "S4", nullptr, stream_trials, judge_starving},
      {"sjf-ignores-urgency",
       "Shortest job first ignores urgency: an alarm that is there first and takes "
       "longest ends at least 2 times as late as with FCFS.",
       "S4", nullptr, alarm_trials, judge_alarm},
      {"short-quantum-is-overhead",
       "A quantum too short is overhead: with 1 ms at least 2 times as much time is lost "
       "as with 20 ms.",
       "S4", nullptr, quantum_trials, judge_short_quantum},
      {"long-quantum-is-fcfs",
       "A quantum longer than any job is first come, first served: a key waits at least 2 "
       "times as long as with 20 ms, and at least 0.8 times as long as with FCFS.",
       "S4", nullptr, quantum_trials, judge_long_quantum},
      {"mlfq-needs-no-run-times",
       "Multilevel feedback needs no run times: its short jobs take at most 1.5 times as "
       "long as with shortest job first, which knows them, and FCFS takes at least 2 "
       "times as long.",
       "S4", nullptr, desk_trials, judge_mlfq},
  };
  return claims;
}

}  // namespace polyio::lab
