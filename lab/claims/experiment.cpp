#include "experiment.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <polyio/drivers/registry.hpp>
#include <stdexcept>

#include "../text.hpp"

namespace polyio::lab {
namespace {

constexpr std::size_t verdict_columns = 20;

// The engine finds out why some are left out.
bool same(const Point& a, Point b) {
  b.left_out = a.left_out;
  return a == b;
}

std::string why_missing(const std::vector<Run>& runs) {
  for (const Run& run : runs) {
    if (!run.error.empty()) return run.error;
  }
  return runs.empty() ? "it was not measured" : "it has no such figure";
}

Json json_of(const Tried& tried) {
  Json json{{"name", tried.trial.name}, {"runs", Json::array()}};
  for (const Run& run : tried.runs) {
    Json one{{"round", run.round}};
    if (!run.error.empty()) one["error"] = run.error;
    for (const auto& [name, value] : run.values) one[name] = value;
    json["runs"].push_back(std::move(one));
  }
  return json;
}

Json json_of(const Judged& judged) {
  const auto& [claim, finding] = judged;
  return {{"name", claim.name},
          {"claim", claim.claim},
          {"source", claim.source},
          {"measured", finding.measured},
          {"verdict", to_string(finding.outcome)},
          {"text", finding.text},
          {"chart", finding.graph ? json_of(*finding.graph) : Json()}};
}

}  // namespace

std::vector<Claim> choose_claims(std::span<const Claim> all,
                                 const std::vector<std::string>& names) {
  std::vector<std::string_view> known;
  for (const Claim& claim : all) known.push_back(claim.name);
  for (const std::string& name : names) {
    if (std::ranges::find(known, name) == known.end()) {
      throw std::invalid_argument(
          fmt::format("there is no claim {:?}: {}", name, fmt::join(known, ", ")));
    }
  }
  std::vector<Claim> chosen;
  for (const Claim& claim : all) {
    if (names.empty() || std::ranges::find(names, claim.name) != names.end()) {
      chosen.push_back(claim);
    }
  }
  return chosen;
}

Results plan_of(const std::vector<Claim>& claims, std::string command, const Settings& settings) {
  Results results = new_results(std::move(command), settings, {});
  const auto models = list_models();
  const Limits limits = limits_of_this_machine();
  for (const Claim& claim : claims) {
    for (Point& point : claim.points ? claim.points(settings) : std::vector<Point>()) {
      auto there = std::ranges::find_if(
          results.points, [&](const Measured& one) { return same(one.point, point); });
      if (there == results.points.end()) {
        point.left_out = why_left_out(point, models, limits);
        results.points.push_back({std::move(point), {}, {}, false, false});
        there = results.points.end() - 1;
      }
      there->wants_calls |= claim.counts_calls;
    }
    for (Trial& trial : claim.trials ? claim.trials(settings) : std::vector<Trial>()) {
      if (std::ranges::find(results.trials, trial, &Tried::trial) == results.trials.end()) {
        results.trials.push_back({std::move(trial), {}});
      }
    }
  }
  return results;
}

const Measured* Measurements::find(const Point& point) const {
  const auto found = std::ranges::find_if(
      results_.points, [&](const Measured& one) { return same(one.point, point); });
  return found == results_.points.end() ? nullptr : &*found;
}

const Tried* Measurements::find(const Trial& trial) const {
  const auto found = std::ranges::find(results_.trials, trial, &Tried::trial);
  return found == results_.trials.end() ? nullptr : &*found;
}

Series Measurements::of(const Point& point, std::string_view measure) const {
  const Measured* const found = find(point);
  return found ? found->series(measure) : Series();
}

Series Measurements::of(const Trial& trial, std::string_view figure) const {
  const Tried* const found = find(trial);
  return found ? series_of(found->runs, figure) : Series();
}

std::map<std::string, double> Measurements::calls(const Point& point) const {
  const Measured* const found = find(point);
  return found ? found->calls : std::map<std::string, double>();
}

std::string Measurements::why_missing(const Point& point) const {
  const Measured* const found = find(point);
  if (found && !found->point.left_out.empty()) return found->point.left_out;
  return lab::why_missing(found ? found->runs : std::vector<Run>());
}

std::string Measurements::why_missing(const Trial& trial) const {
  const Tried* const found = find(trial);
  return lab::why_missing(found ? found->runs : std::vector<Run>());
}

std::vector<Judged> judge(const std::vector<Claim>& claims, const Evidence& evidence) {
  std::vector<Judged> judged;
  judged.reserve(claims.size());
  for (const Claim& claim : claims) judged.push_back({claim, claim.judge(evidence)});
  return judged;
}

std::string to_json(const Results& results, const std::vector<Judged>& claims) {
  Json json = head_of(results);
  json["waited_for_core_share"] = disturbance(results);
  json["claims"] = Json::array();
  for (const Judged& judged : claims) json["claims"].push_back(json_of(judged));
  Json points = Json::array(), trials = Json::array();
  for (const Measured& measured : results.points) {
    points.push_back({{"name", name_of(measured.point)}});
    points.back().update(json_of(measured));
  }
  for (const Tried& tried : results.trials) trials.push_back(json_of(tried));
  json["evidence"] = {{"points", std::move(points)}, {"trials", std::move(trials)}};
  return file_text(json);
}

std::string table_of(const std::vector<Judged>& claims) {
  std::string text = fmt::format("{:<{}}{}\n", "VERDICT", verdict_columns,
                                 "CLAIM (ITS SOURCE), AND WHAT WAS MEASURED");
  for (const auto& [claim, finding] : claims) {
    text += "\n";
    text += wrapped(fmt::format("{:<{}}{}: {} ({})", to_string(finding.outcome), verdict_columns,
                                claim.name, claim.claim, claim.source),
                    verdict_columns);
    for (const std::string& line : {finding.measured, finding.text}) {
      if (line.empty()) continue;
      text += wrapped(fmt::format("{:<{}}{}", "", verdict_columns, line), verdict_columns);
    }
  }
  return text;
}

std::string list_of(std::span<const Claim> claims) {
  std::string text;
  for (const Claim& claim : claims) {
    text += wrapped(fmt::format("{}: {} ({})", claim.name, claim.claim, claim.source), 4);
  }
  return text;
}

}  // namespace polyio::lab
