// What a simulation came to, as text with a chart, as JSON and as a picture.
#pragma once

#include <polyio/sched/simulation.hpp>
#include <string>
#include <vector>

namespace polyio::app {

struct Outcome {
  std::string policy;  // with its options, as "rr, quantum 2"
  sched::Report report;
};

using Jobs = std::vector<sched::JobSpec>;
// `columns` wide at most.
std::string chart(const Jobs& jobs, const Outcome& outcome, std::size_t columns);
std::string table(const Jobs& jobs, const Outcome& outcome);
// The averages of several policies side by side.
std::string comparison(const std::vector<Outcome>& outcomes);
// {"timeline": [[name, begin, end], ...], "jobs": [...], "averages": {...}}; `named`: a list of
// those, each with its policy.
std::string json_of(const Jobs& jobs, const std::vector<Outcome>& outcomes, bool named);
std::string svg_of(const Jobs& jobs, const std::vector<Outcome>& outcomes);

}  // namespace polyio::app
