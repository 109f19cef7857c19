// LiveView: what a Runner's jobs do, redrawn in place on a terminal; their output scrolls above.
#pragma once

#include <string>

#include "sched/runner.hpp"
#include "terminal.hpp"

namespace polyio::app {

// One line: "12.3 s: A runs, 2 ready, 1 waits, 0 to come, 3 ended".
std::string progress_line(const Runner& runner);

class LiveView {
 public:
  // `policy` as it is headed.
  LiveView(const Runner& runner, std::string policy)
      : runner_(runner), policy_(std::move(policy)) {}
  void draw();
  // Puts the jobs' output above.
  void print(std::string_view output);
  // Takes itself away, and leaves the output.
  void erase();

 private:
  std::string lines() const;

  const Runner& runner_;
  const std::string policy_;
  Printable printable_;
  std::size_t drawn_ = 0;  // lines
};

}  // namespace polyio::app
