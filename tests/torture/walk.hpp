// The walk: a scenario is run once without a fault, which counts its calls; then once more for each
// call and each way in which it can fail, every time in a process of its own. That process checks
// what the run has left behind: descriptors, threads, processes, memory.
#pragma once

#include "scenarios.hpp"

namespace polyio::torture {

enum class Ending : std::uint8_t {
  recovered,    // everything right, no error seen
  clear_error,  // a Result or an exception, nothing wrong
  no_fault,     // that call did not come this time, or can't fail so there
  wrong,        // wrong bytes, or something that must not be
  left_over,    // a descriptor, thread, process or memory
  crashed,
  hung,
};
std::string_view name_of(Ending ending);
inline bool failed(Ending ending) { return ending >= Ending::wrong; }

struct Report {
  Ending ending = Ending::crashed;
  std::string said;               // what the process printed
  std::vector<unsigned> counted;  // calls per line
};
// In this process; what it wrote to stderr is not in `said`.
Report run_here(const Scenario& scenario, const Fault& fault);
// In a process of its own.
Report run_apart(const Scenario& scenario, const Fault& fault);

// How many of each line's calls are tried: all of up to `calls`, else `calls` of them, spread
// evenly.
struct Reach {
  unsigned calls, allocations;
};
struct Tally {
  std::size_t sites = 0, tries = 0, recovered = 0, clear_error = 0, no_fault = 0, failed = 0;
  std::vector<std::string> failures;  // each with the line that repeats it
};
Tally walk(const Scenario& scenario, const Reach& reach);

}  // namespace polyio::torture
