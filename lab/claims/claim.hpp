// Claim: what a textbook says about I/O models, architectures or scheduling, with the experiment
// that checks it on this machine. An experiment names what is to be run, points of the lab and
// commands of their own; all of them run in the same interleaved rounds, and then each claim judges
// its own figures. The table of claims is all_claims().
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../graph.hpp"
#include "../plan.hpp"
#include "../results.hpp"

namespace polyio::lab {

enum class Outcome { holds, does_not_hold, within_noise, not_measured };
// "holds", "does not hold here", "within noise", "not measured".
std::string_view to_string(Outcome outcome) noexcept;

struct Finding {
  Outcome outcome = Outcome::not_measured;
  std::string measured;  // the figures and their noise, in a sentence
  std::string text;      // what follows from them, or why it was not measured
  std::optional<Graph> graph;
};

// A program that prints one JSON object of figures: `polyio lab work ...`, or another program.
struct Task {
  std::string name;  // of all tasks of all claims: equal ones are run once
  std::vector<std::string> arguments;
  std::vector<int> cores;                   // it may use; empty: all
  std::string program = "/proc/self/exe";   // or of another language
  double seconds = 1;                       // it takes, roughly
};

// What was measured, of all rounds.
class Evidence {
 public:
  // Empty where it was left out or failed: why_missing() says why.
  virtual Series of(const Point& point, std::string_view measure) const = 0;
  virtual Series of(std::string_view task, std::string_view figure) const = 0;
  virtual std::string why_missing(const Point& point) const = 0;
  virtual std::string why_missing(std::string_view task) const = 0;
  virtual const Settings& settings() const = 0;

 protected:
  ~Evidence() = default;
};

struct Claim {
  std::string_view name;    // "polling-burns-cpu"
  std::string_view claim;   // in one sentence
  std::string_view source;  // "the polling chapter of the tutorials"
  std::vector<Point> (*points)(const Settings& settings);  // may be null
  std::vector<Task> (*tasks)(const Settings& settings);    // may be null
  Finding (*judge)(const Evidence& evidence);
};
std::span<const Claim> all_claims();

}  // namespace polyio::lab
