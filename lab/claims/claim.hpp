// Claim: what a textbook says about I/O models, architectures or scheduling, with the experiment
// that checks it on this machine. An experiment names what is to be run, points of the lab and
// trials, which are programs of their own; all of them run in the same interleaved rounds, and then
// each claim judges its own figures. The table of claims is all_claims().
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../graph.hpp"
#include "../plan.hpp"
#include "../results.hpp"

namespace polyio::lab {

enum class Outcome { holds, within_noise, not_measured, does_not_hold };
// "holds", "within noise", "not measured", "does not hold here".
std::string_view to_string(Outcome outcome) noexcept;

struct Finding {
  Outcome outcome = Outcome::not_measured;
  std::string measured;  // the figures and their noise
  std::string text;      // what follows from them, or why it was not measured
  std::optional<Graph> graph{};
};

// What was measured, of all rounds.
class Evidence {
 public:
  // Empty where it was left out or failed, or was not asked for: why_missing() says why.
  virtual Series of(const Point& point, std::string_view measure) const = 0;
  virtual Series of(const Trial& trial, std::string_view figure) const = 0;
  // System calls per request by name; empty: not counted.
  virtual std::map<std::string, double> calls(const Point& point) const = 0;
  virtual std::string why_missing(const Point& point) const = 0;
  virtual std::string why_missing(const Trial& trial) const = 0;
  virtual const Settings& settings() const = 0;

 protected:
  ~Evidence() = default;
};

struct Claim {
  std::string_view name;                                             // "polling-burns-cpu"
  std::string_view claim;                                            // in one sentence
  std::string_view source;                                           // "S2, S4"
  std::vector<Point> (*points)(const Settings& settings) = nullptr;  // may be null
  std::vector<Trial> (*trials)(const Settings& settings) = nullptr;  // may be null
  Finding (*judge)(const Evidence& evidence) = nullptr;
  bool counts_calls = false;  // of its points, once
};
std::span<const Claim> all_claims();

// The groups that it is made of, each in a file of its own.
std::span<const Claim> model_claims();
std::span<const Claim> architecture_claims();
std::span<const Claim> parallel_claims();
std::span<const Claim> coroutine_claims();
std::span<const Claim> scheduling_claims();

}  // namespace polyio::lab
