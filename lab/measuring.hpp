// Measuring: what the commands that measure a plan have in common, `polyio lab run` and
// `polyio lab peers`: their options, the folder with the results, and the run itself.
#pragma once

#include <string>
#include <vector>

#include "plan.hpp"
#include "results.hpp"

namespace CLI {
class App;
}

namespace polyio::lab {

struct Measuring {
  std::string command;  // "polyio lab run", for what it says
  Dials dials;
  std::string out;
  std::uint64_t seed = 1;
  unsigned rounds = 0;  // 0: as the settings have it
  double seconds = 0;
  bool resume = false, svg = false;

  void say(std::string_view what) const;
};

// Those of the load: --connections to --rate.
void add_load_dials(CLI::App& command, Dials& dials);
// --quick, and how often, how long and into which folder it is measured.
void add_measuring(CLI::App& command, Measuring& asked, const std::string& quick);
// settings_for() what was asked. Throws std::runtime_error.
Settings settings_of(const Measuring& asked);

// Measures it into asked.out, prints the summary: the exit code. Throws std::runtime_error and
// std::system_error.
int measure(const Measuring& asked, const Settings& settings, const std::vector<Point>& plan);

}  // namespace polyio::lab
