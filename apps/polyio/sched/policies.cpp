#include "sched/policies.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <map>
#include <polyio/base/text.hpp>

namespace polyio::app {
namespace {

// CAUSE=PRIORITY[:QUANTUM]
void set_queue(sched::CauseQueues& queues, const std::string& text, sched::Span unit) {
  static const std::map<std::string, sched::CauseQueue sched::CauseQueues::*> causes{
      {"created", &sched::CauseQueues::created},
      {"unblocked", &sched::CauseQueues::unblocked},
      {"expired", &sched::CauseQueues::expired}};
  const auto equals = text.find('=');
  const auto cause = causes.find(text.substr(0, equals));
  sched::CauseQueue queue;
  const char* at = text.data() + (equals == std::string::npos ? text.size() : equals + 1);
  const char* const end = text.data() + text.size();
  auto read = std::from_chars(at, end, queue.priority);
  if (read.ec == std::errc() && read.ptr != end && *read.ptr == ':') {
    read = std::from_chars(read.ptr + 1, end, queue.quantum);
  }
  if (cause == causes.end() || read.ec != std::errc() || read.ptr != end || queue.quantum < 1) {
    throw std::invalid_argument(fmt::format(
        "--queue {}: it is created, unblocked or expired, as expired=2:4 for priority 2 and "
        "quantum 4",
        escape_for_log(text, 40)));
  }
  if (queue.quantum < sched::unlimited / unit) queue.quantum *= unit;
  queues.*cause->second = queue;
}

}  // namespace

void add_policy_options(CLI::App& command, PolicySettings& settings) {
  command.add_option("--policy", settings.policy, "fcfs, sjf, rr, mlfq or by-cause")
      ->check(CLI::IsMember({"fcfs", "sjf", "rr", "mlfq", "by-cause"}))
      ->type_name("NAME")
      ->capture_default_str();
  command.add_option("--levels", settings.levels, "of mlfq, each with twice the quantum above")
      ->check(CLI::Range(1, 32))
      ->type_name("N")
      ->capture_default_str();
  command.add_flag("--preemptive", settings.preemptive, "sjf: shortest remaining time first");
  command
      .add_option("--queue", settings.queues,
                  "by-cause: CAUSE=PRIORITY[:QUANTUM], the cause created, unblocked or expired")
      ->type_name("QUEUE");
}

Named make_policy(const std::string& name, const PolicySettings& settings) {
  const sched::Span quantum = settings.quantum;
  const std::string shown =
      settings.unit == 1
          ? fmt::format("{}", quantum)
          : fmt::format("{} ms", static_cast<double>(quantum) / static_cast<double>(settings.unit));
  if (name == "fcfs") return {name, sched::make_fcfs()};
  if (name == "sjf") {
    return {name + (settings.preemptive ? ", preemptive" : ""),
            sched::make_sjf(settings.preemptive)};
  }
  if (name == "rr") return {"rr, quantum " + shown, sched::make_round_robin(quantum)};
  if (name == "mlfq") {
    return {fmt::format("mlfq, {} levels, quantum {}", settings.levels, shown),
            sched::make_mlfq(sched::doubling_quanta(quantum, settings.levels))};
  }
  sched::CauseQueues queues{
      .created = {1, quantum}, .unblocked = {0, quantum}, .expired = {2, quantum}, .preempted = {}};
  for (const std::string& queue : settings.queues) set_queue(queues, queue, settings.unit);
  return {"by-cause", sched::make_by_cause(queues)};
}

}  // namespace polyio::app
