// What a simulation came to, as text with a chart, as JSON and as a picture.
#pragma once

#include <polyio/sched/simulation.hpp>
#include <string>
#include <vector>

namespace polyio::app {

// What a job did, and shows in the chart.
enum class State : char { away = ' ', runs = '#', ready = '.', io = '-' };
struct Stretch {
  sched::Span begin, end;
  State state;
};

using Jobs = std::vector<sched::JobSpec>;

struct Outcome {
  std::string policy;  // with its options, as "rr, quantum 2"
  sched::Report report;
  std::vector<std::vector<Stretch>> did;  // from each job's arrival to its end, without a gap
  sched::Span unit = 1;                   // spans in one unit of what is printed
  struct Ended {
    int code = 0;  // -signal when a signal killed it
    std::string text = {};
  };
  std::vector<Ended> ended = {};  // real jobs only
};
// Of a simulation.
Outcome outcome_of(const Jobs& jobs, std::string policy, sched::Report report);

// `columns` wide at most.
std::string chart(const Jobs& jobs, const Outcome& outcome, std::size_t columns);
std::string table(const Jobs& jobs, const Outcome& outcome);
// The averages of several outcomes side by side; `heading` is what their names are.
std::string comparison(const std::vector<Outcome>& outcomes, std::string_view heading = "policy");
// "timeline": [[name, begin, end], ...], "jobs": [...], "averages": {...}, of an object.
std::string json_members(const Jobs& jobs, const Outcome& outcome);
std::string svg_of(const Jobs& jobs, const std::vector<Outcome>& outcomes);

}  // namespace polyio::app
