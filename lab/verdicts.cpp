// What the figures come to, in plain words: verdicts and the terminal's table.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <polyio/drivers/registry.hpp>

#include "results.hpp"

namespace polyio::lab {
namespace {

constexpr std::string_view figure = "cpu_us";
constexpr double quiet = 0.05;  // of the time: waiting for a core is no disturbance yet

std::string percent(double share) { return fmt::format("{:.0f} %", share * 100); }

// "5.12 µs", "212 µs".
std::string microseconds(double us) { return fmt::format("{:.{}f} µs", us, us < 100 ? 2 : 0); }

Verdict verdict_of(const Comparison& found, std::string question) {
  const Spread best = *found.best.spread(), next = *found.next.spread();
  const std::string used =
      fmt::format("{} of server CPU per request (quartiles {} to {})", microseconds(best.median),
                  microseconds(best.low), microseconds(best.high));
  Verdict verdict{std::move(question), found.best.name, {}, found.within_noise};
  if (!found.within_noise) {
    verdict.text = fmt::format("use {}: {}; next is {} with {}, {} more, the noise is {}",
                               found.best.name, used, found.next.name, microseconds(next.median),
                               percent(found.distance), percent(found.noise));
  } else if (found.best.by_round.size() < 2) {
    verdict.text = fmt::format(
        "{} had the least, {}, and {} had {}; measured once, that may be "
        "noise: take more rounds",
        found.best.name, used, found.next.name, microseconds(next.median));
  } else {
    verdict.text =
        fmt::format("use {} or {}: {} and {}; the difference of {} is within the noise of {}",
                    found.best.name, found.next.name, used, microseconds(next.median),
                    percent(std::abs(found.distance)), percent(found.noise));
  }
  return verdict;
}

// The points that ran under the same load, by that load, in the order of their numbers.
std::vector<std::pair<std::string, std::vector<const Measured*>>> by_load(const Results& results) {
  std::vector<const Measured*> ran;
  for (const Measured& one : results.points) {
    if (one.point.left_out.empty() && !one.runs.empty()) ran.push_back(&one);
  }
  std::ranges::sort(ran, {}, [](const Measured* one) {
    return std::pair(one->point.connections, one);  // and as they lie
  });
  std::vector<std::pair<std::string, std::vector<const Measured*>>> groups;
  for (const Measured* one : ran) {
    const std::string load = load_of(one->point);
    auto group = std::ranges::find(groups, load, [](const auto& each) { return each.first; });
    if (group == groups.end()) group = groups.insert(group, {load, {}});
    group->second.push_back(one);
  }
  return groups;
}

// Each model under the first architecture that it was measured under.
std::vector<Series> models_of(const std::vector<const Measured*>& group) {
  std::vector<Series> models;
  for (const Measured* one : group) {
    if (std::ranges::find(models, one->point.model, &Series::name) != models.end()) continue;
    models.push_back(one->series(figure));
    models.back().name = one->point.model;
  }
  return models;
}

std::vector<Series> architectures_of(const std::vector<const Measured*>& group,
                                     const std::string& model) {
  std::vector<Series> architectures;
  for (const Measured* one : group) {
    if (one->point.model != model) continue;
    architectures.push_back(one->series(figure));
    architectures.back().name = one->point.architecture;
  }
  return architectures;
}

// Of the model with the most architectures here; the first of these.
std::string widest(const std::vector<const Measured*>& group) {
  std::string model;
  std::size_t most = 0;
  for (const Measured* one : group) {
    const std::size_t count = architectures_of(group, one->point.model).size();
    if (count > most) model = one->point.model;
    most = std::max(most, count);
  }
  return model;
}

// Of those that `which` takes, each on its own, the one with the least.
template <class Which>
std::optional<Series> best_of(const std::vector<const Measured*>& group, Which which) {
  std::optional<Series> best;
  for (const Measured* one : group) {
    Series own = one->series(figure);
    if (!which(one->point) || own.by_round.empty()) continue;
    own.name = one->point.model;
    if (!best || own.spread()->median < best->spread()->median) best = std::move(own);
  }
  return best;
}

// "epoll needs 5.20 µs, hand-epoll 5.02 µs: 4 % more (1 %)"
std::string beside_hand(const Comparison& found, const std::string& model) {
  const bool first = found.best.name == model;
  const Series &own = first ? found.best : found.next, &hand = first ? found.next : found.best;
  const double share = first ? found.distance / (1 + found.distance) : found.distance;
  return fmt::format(
      "{} needs {}, {} {}: {} ({})", model, microseconds(own.spread()->median), hand.name,
      microseconds(hand.spread()->median),
      found.within_noise ? "within the noise" : percent(share) + (first ? " less" : " more"),
      percent(found.noise));
}

// polyio's rows beside the loop by hand that waits in the same way.
std::optional<Verdict> hand_verdict(const std::vector<const Measured*>& group,
                                    const std::string& load) {
  Verdict verdict{fmt::format("What does polyio cost beside a loop written by hand at {}?", load),
                  {},
                  {},
                  true};
  for (const Measured* one : group) {
    const std::string& model = one->point.model;
    if (is_foreign(one->point.architecture)) continue;
    const std::string hand = "hand-" + (model == "blocking" ? "threads" : model);
    const auto other = best_of(group, [&](const Point& point) { return point.model == hand; });
    Series own = one->series(figure);
    own.name = model;
    const auto found = other ? least_of({own, *other}) : std::nullopt;
    if (!found) continue;
    verdict.text += (verdict.text.empty() ? "" : "; ") + beside_hand(*found, model);
    verdict.within_noise = verdict.within_noise && found->within_noise;
  }
  if (verdict.text.empty()) return std::nullopt;
  verdict.text += ". In brackets the noise";
  verdict.answer = verdict.within_noise ? "nothing that is above the noise" : "see below";
  return verdict;
}

// What `polyio lab peers` is for: the best of polyio's against the best of the others.
void add_peers_verdicts(const std::vector<const Measured*>& group, const std::string& load,
                        std::vector<Verdict>& verdicts) {
  auto own = best_of(group, [](const Point& point) { return !is_foreign(point.architecture); });
  const auto other =
      best_of(group, [](const Point& point) { return point.architecture == other_library; });
  if (own && other) {
    own->name = fmt::format("polyio ({})", own->name);
    if (const auto found = least_of({*own, *other})) {
      verdicts.push_back(
          verdict_of(*found, fmt::format("polyio or another library: least CPU at {}?", load)));
    }
  }
  if (auto beside = hand_verdict(group, load)) verdicts.push_back(std::move(*beside));
}

std::string cell(const Measured& measured, std::string_view measure, int digits) {
  const auto spread = measured.series(measure).spread();
  return spread ? fmt::format("{:.{}f}", spread->median, digits) : "-";
}

std::string row_of(const Measured& measured) {
  const auto cpu = measured.series(figure).spread();
  const auto calls = measured.calls_in_all();
  return fmt::format(
      "  {:<20} {:<22} {:>10} {:>9} {:>17} {:>9} {:>9} {:>7} {:>8} {:>9}\n", measured.point.model,
      measured.point.architecture, cell(measured, "requests_per_second", 0),
      cell(measured, figure, 2), cpu ? fmt::format("{:.2f}-{:.2f}", cpu->low, cpu->high) : "-",
      cell(measured, "p50_us", 0), cell(measured, "p99_us", 0),
      calls ? fmt::format("{:.2f}", *calls) : "-", cell(measured, "memory_bytes_per_connection", 0),
      cell(measured, "accepts_per_second", 0));
}

}  // namespace

double disturbance(const Results& results) {
  std::vector<double> shares;
  for (const Measured& one : results.points) {
    if (spreads(one.point.architecture)) continue;
    const auto share = one.series("waited_for_core_share").spread();
    if (share) shares.push_back(share->median);
  }
  const auto all = spread_of(shares);
  return all ? all->median : 0;
}

std::string busy_warning(const Results& results) {
  const double waited = disturbance(results);
  if (waited <= quiet) return {};
  return fmt::format(
      "The machine was busy: for {} of the time server or load waited for a core. Measure again "
      "when it is quiet.",
      percent(waited));
}

std::vector<Verdict> verdicts_of(const Results& results) {
  std::vector<Verdict> verdicts;
  const auto foreign = [](const Measured* one) { return is_foreign(one->point.architecture); };
  for (const auto& [load, group] : by_load(results)) {
    if (std::ranges::any_of(group, foreign)) {
      add_peers_verdicts(group, load, verdicts);
      continue;
    }
    if (const auto found = least_of(models_of(group))) {
      verdicts.push_back(
          verdict_of(*found, fmt::format("Which model answers with the least CPU at {}?", load)));
    }
    const std::string model = widest(group);
    if (const auto found = least_of(architectures_of(group, model))) {
      verdicts.push_back(verdict_of(
          *found,
          fmt::format("Which architecture lets {} answer with the least CPU at {}?", model, load)));
    }
  }
  return verdicts;
}

std::string summary_of(const Results& results, const std::vector<Verdict>& verdicts) {
  std::string text;
  for (const auto& [load, group] : by_load(results)) {
    text += fmt::format("{}\n  {:<20} {:<22} {:>10} {:>9} {:>17} {:>9} {:>9} {:>7} {:>8} {:>9}\n",
                        load, "MODEL", "ARCHITECTURE", "requests/s", "CPU µs", "quartiles",
                        "p50 µs", "p99 µs", "calls", "bytes", "accepts/s");
    for (const Measured* one : group) text += row_of(*one);
    text += '\n';
  }
  std::vector<std::string> remarks;
  const auto remark = [&](std::string line) {
    if (std::ranges::find(remarks, line) == remarks.end()) remarks.push_back(std::move(line));
  };
  for (const Measured& one : results.points) {
    if (!one.point.left_out.empty()) {
      remark(fmt::format("{}, {}: left out: {}", one.point.model, one.point.architecture,
                         one.point.left_out));
    }
    for (const Run& run : one.runs) {
      if (!run.error.empty()) remark(fmt::format("{}: failed: {}", name_of(one.point), run.error));
    }
  }
  for (const std::string& line : remarks) text += line + "\n";
  if (const std::string warning = busy_warning(results); !warning.empty()) {
    text += "\n" + warning + "\n";
  }
  for (const Verdict& verdict : verdicts) {
    text += fmt::format("\n{}\n  {}\n", verdict.question, verdict.text);
  }
  return text;
}

}  // namespace polyio::lab
