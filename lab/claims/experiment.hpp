// Experiment: the claims that were asked for, what they need measured, and what became of them.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "claim.hpp"

namespace polyio::lab {

// Those of these names, in the order of the table; all of them when there are none. Throws
// std::invalid_argument, with a list, for a name that no claim has.
std::vector<Claim> choose_claims(std::span<const Claim> all, const std::vector<std::string>& names);

// What they need, each point and each trial once.
Results plan_of(const std::vector<Claim>& claims, std::string command, const Settings& settings);

// What has been measured so far.
class Measurements final : public Evidence {
 public:
  explicit Measurements(const Results& results) : results_(results) {}
  Series of(const Point& point, std::string_view measure) const override;
  Series of(const Trial& trial, std::string_view figure) const override;
  std::map<std::string, double> calls(const Point& point) const override;
  std::string why_missing(const Point& point) const override;
  std::string why_missing(const Trial& trial) const override;
  const Settings& settings() const override { return results_.settings; }

 private:
  const Measured* find(const Point& point) const;
  const Tried* find(const Trial& trial) const;
  const Results& results_;
};

struct Judged {
  Claim claim;
  Finding finding;
};
std::vector<Judged> judge(const std::vector<Claim>& claims, const Evidence& evidence);

// claims.json (docs/lab.md), and the table for a terminal.
std::string to_json(const Results& results, const std::vector<Judged>& claims);
std::string table_of(const std::vector<Judged>& claims);
// For --list.
std::string list_of(std::span<const Claim> claims);

}  // namespace polyio::lab
