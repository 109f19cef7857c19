// Beside: what is measured beside the load after a turn of the dials, because it would slow the
// server under load down: a count of its system calls and a trace of a request, one after the
// other, each in a process of its own. What was found is kept: the dials may come back.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>

#include "lab/child.hpp"
#include "lab/plan.hpp"
#include "lab/results.hpp"

namespace polyio::lab {

class Beside {
 public:
  // Its processes stay on `cores`.
  explicit Beside(std::vector<int> cores) : cores_(std::move(cores)) {}

  // The dials stand there now: ends what is under way, and begins nothing.
  void turn(const Point& point);
  // Begins with what is not known of this position.
  void begin();
  // Takes what its process has printed. True: something is new.
  bool look();

  // What it is doing: "counting system calls"; empty: nothing.
  std::string_view doing() const noexcept;
  // Of the present position: system_calls_per_request, system_calls and counted_at, or error; null:
  // not known yet.
  Json calls() const { return known(calls_key_); }
  // Of the present model, as `polyio lab trace --json` has it, but its single calls.
  Json trace() const { return known(trace_key_); }

 private:
  struct Job {
    std::string key;
    const char* doing;
    std::vector<std::string> arguments;
    Json (*read)(const std::string& printed);
    std::string remark;  // counted_at
  };
  Json known(const std::string& key) const;
  void start_next();
  void take_result();

  std::vector<int> cores_;
  std::string calls_key_, trace_key_;
  std::deque<Job> jobs_;  // the first is under way while there is a child
  std::unique_ptr<Child> child_;
  std::string printed_;
  std::map<std::string, Json> known_;
};

}  // namespace polyio::lab
