// The policies by name, with the options that they take on the command line.
#pragma once

#include <memory>
#include <polyio/sched/policy.hpp>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace polyio::app {

struct PolicySettings {
  std::string policy = "fcfs";
  sched::Span quantum = 0;
  std::size_t levels = 3;
  bool preemptive = false;
  std::vector<std::string> queues;
  sched::Span unit = 1;  // spans in one unit of what is printed and of the quanta in `queues`
};

struct Named {
  std::string name;  // with its options, as "rr, quantum 2"
  std::unique_ptr<sched::Policy> policy;
};

// --policy, --levels, --preemptive and --queue.
void add_policy_options(CLI::App& command, PolicySettings& settings);
// The policy `name` with these settings. Throws std::invalid_argument for a bad queue.
Named make_policy(const std::string& name, const PolicySettings& settings);

}  // namespace polyio::app
