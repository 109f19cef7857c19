#include "sched/report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

#include "lab/svg.hpp"

namespace polyio::app {
namespace {

using sched::Report;
using sched::Segment;
using sched::Span;

// In the unit of what is printed; whole where spans are.
std::string shown(Span span, Span unit) {
  if (unit == 1) return fmt::format("{}", span);
  return fmt::format("{:.1f}", static_cast<double>(span) / static_cast<double>(unit));
}
double in_units(double average, const Outcome& outcome) {
  return average / static_cast<double>(outcome.unit);
}

// What a job did from its arrival to its end, without a gap, for each.
std::vector<std::vector<Stretch>> stretches(const Jobs& jobs, const Report& report) {
  struct Progress {
    Span at = 0, left = 0;
    std::size_t phase = 0;
  };
  std::vector<std::vector<Stretch>> all(jobs.size());
  std::vector<Progress> progress;
  for (const auto& job : jobs) progress.push_back({job.arrival, job.bursts[0], 0});
  for (const Segment& segment : report.timeline) {
    const auto& bursts = jobs[segment.job].bursts;
    auto& own = all[segment.job];
    auto& [at, left, phase] = progress[segment.job];
    if (segment.begin > at) own.push_back({at, segment.begin, State::ready});
    own.push_back({segment.begin, segment.end, State::runs});
    at = segment.end;
    left -= segment.end - segment.begin;
    if (left == 0 && phase + 2 < bursts.size()) {
      own.push_back({at, at + bursts[phase + 1], State::io});
      at += bursts[phase + 1];
      phase += 2;
      left = bursts[phase];
    }
  }
  return all;
}

std::size_t name_width(const Jobs& jobs) {
  std::size_t widest = 3;
  for (const auto& job : jobs) widest = std::max(widest, job.name.size());
  return widest;
}

}  // namespace

Outcome outcome_of(const Jobs& jobs, std::string policy, Report report) {
  auto did = stretches(jobs, report);
  return {std::move(policy), std::move(report), std::move(did)};
}

std::string chart(const Jobs& jobs, const Outcome& outcome, std::size_t columns) {
  const Report& report = outcome.report;
  const std::size_t names = name_width(jobs);
  const auto room = static_cast<Span>(std::max<std::size_t>(columns, names + 12) - names - 1);
  const Span each = std::max<Span>((report.end + room - 1) / room, 1);  // time per column
  const auto width = static_cast<std::size_t>((report.end + each - 1) / each);
  std::string text;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    std::string row(width, ' ');
    for (const Stretch& stretch : outcome.did[i]) {
      const auto first = static_cast<std::size_t>(stretch.begin / each);
      const auto last = static_cast<std::size_t>((stretch.end - 1) / each);
      for (std::size_t column = first; column <= last && column < width; ++column) {
        // Where several share a column, running shows, then I/O.
        if (row[column] != '#') row[column] = static_cast<char>(stretch.state);
      }
    }
    row.erase(row.find_last_not_of(' ') + 1);
    text += fmt::format("{:<{}} {}\n", jobs[i].name, names, row);
  }
  const std::string last = " " + shown(report.end, outcome.unit);
  text += fmt::format("{:<{}} 0{:>{}}\n", "", names, last, std::max<std::size_t>(width, 1) - 1);
  text += fmt::format("# runs  . is ready  - in I/O{}\n",
                      each > 1 ? fmt::format("  (a column is {})", shown(each, outcome.unit)) : "");
  return text;
}

std::string table(const Jobs& jobs, const Outcome& outcome) {
  const Report& report = outcome.report;
  const std::size_t names = std::max<std::size_t>(name_width(jobs), 7);
  std::string text = fmt::format("{:<{}} {:>9} {:>9} {:>9} {:>9} {:>10} {:>9} {:>9}{}\n", "job",
                                 names, "arrival", "burst", "start", "finish", "turnaround",
                                 "waiting", "response", outcome.ended.empty() ? "" : "  ended");
  const auto in_unit = [&](Span span) { return shown(span, outcome.unit); };
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const sched::JobReport& own = report.jobs[i];
    text += fmt::format("{:<{}} {:>9} {:>9} {:>9} {:>9} {:>10} {:>9} {:>9}{}\n", jobs[i].name,
                        names, in_unit(jobs[i].arrival), in_unit(own.burst), in_unit(own.start),
                        in_unit(own.finish), in_unit(own.turnaround), in_unit(own.waiting),
                        in_unit(own.response),
                        outcome.ended.empty() ? "" : "  " + outcome.ended[i].text);
  }
  text += fmt::format("{:<{}} {:>9} {:>9} {:>9} {:>9} {:>10.2f} {:>9.2f} {:>9.2f}\n", "average",
                      names, "", "", "", "", in_units(report.turnaround, outcome),
                      in_units(report.waiting, outcome), in_units(report.response, outcome));
  text += fmt::format("{} switches, idle for {} of {}\n", report.switches, in_unit(report.idle),
                      in_unit(report.end));
  return text;
}

std::string comparison(const std::vector<Outcome>& outcomes, std::string_view heading) {
  std::size_t widest = heading.size();
  for (const Outcome& one : outcomes) widest = std::max(widest, one.policy.size());
  std::string text = fmt::format("{:<{}} {:>10} {:>9} {:>9} {:>9} {:>9}\n", heading, widest,
                                 "turnaround", "waiting", "response", "switches", "end");
  for (const Outcome& one : outcomes) {
    text += fmt::format("{:<{}} {:>10.2f} {:>9.2f} {:>9.2f} {:>9} {:>9}\n", one.policy, widest,
                        in_units(one.report.turnaround, one), in_units(one.report.waiting, one),
                        in_units(one.report.response, one), one.report.switches,
                        shown(one.report.end, one.unit));
  }
  return text;
}

// Written by hand, because a timeline may be long: a segment is a few bytes here, and a tree of
// nodes in a JSON library.
std::string json_members(const Jobs& jobs, const Outcome& outcome) {
  std::vector<std::string> names;
  for (const auto& job : jobs) names.push_back(nlohmann::json(job.name).dump());
  const auto number = [&](Span span) {
    if (outcome.unit == 1) return fmt::format("{}", span);
    return fmt::format("{}", static_cast<double>(span) / static_cast<double>(outcome.unit));
  };
  const auto separator = [](std::size_t i) { return i == 0 ? "" : ","; };
  const Report& report = outcome.report;
  std::string text = "\"timeline\": [";
  auto out = std::back_inserter(text);
  for (std::size_t i = 0; i < report.timeline.size(); ++i) {
    const Segment& segment = report.timeline[i];
    fmt::format_to(out, "{}[{},{},{}]", separator(i), names[segment.job], number(segment.begin),
                   number(segment.end));
  }
  text += "],\n\"jobs\": [";
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const sched::JobReport& own = report.jobs[i];
    fmt::format_to(out,
                   "{}\n  {{\"name\": {}, \"arrival\": {}, \"burst\": {}, \"start\": {}, "
                   "\"finish\": {}, \"turnaround\": {}, \"waiting\": {}, \"response\": {}",
                   separator(i), names[i], number(jobs[i].arrival), number(own.burst),
                   number(own.start), number(own.finish), number(own.turnaround),
                   number(own.waiting), number(own.response));
    if (!outcome.ended.empty()) {
      fmt::format_to(out, ", \"exitcode\": {}, \"ended\": {}", outcome.ended[i].code,
                     nlohmann::json(outcome.ended[i].text).dump());
    }
    text += "}";
  }
  fmt::format_to(out, "],\n\"averages\": {{\"turnaround\": {}, \"waiting\": {}, \"response\": {}}}",
                 in_units(report.turnaround, outcome), in_units(report.waiting, outcome),
                 in_units(report.response, outcome));
  return text;
}

// A band for each policy: a row per job, time to the right.
std::string svg_of(const Jobs& jobs, const std::vector<Outcome>& outcomes) {
  constexpr int left = 110, drawn = 800, row = 22, head = 30, foot = 26;
  const int band = head + row * static_cast<int>(jobs.size()) + foot;
  Span end = 1;
  for (const Outcome& outcome : outcomes) end = std::max(end, outcome.report.end);
  const auto x = [&](Span at) {
    return left + static_cast<double>(at) * drawn / static_cast<double>(end);
  };
  std::string svg;
  int top = 0;
  for (const Outcome& outcome : outcomes) {
    const Report& report = outcome.report;
    const auto average = [&](double span) { return in_units(span, outcome); };
    svg += lab::svg::text(
        10, top + 19,
        fmt::format("{}: waiting {:.2f}, response {:.2f}, turnaround {:.2f}", outcome.policy,
                    average(report.waiting), average(report.response), average(report.turnaround)),
        "font-weight=\"bold\"");
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      const int y = top + head + row * static_cast<int>(i);
      svg += lab::svg::text(10, y + 15, jobs[i].name);
      for (const Stretch& stretch : outcome.did[i]) {
        const bool runs = stretch.state == State::runs;
        const char* const fill = runs                         ? "#2a6fb0"
                                 : stretch.state == State::io ? "#e0a030"
                                                              : "#d5dde5";
        svg += fmt::format(
            "<rect x=\"{:.2f}\" y=\"{}\" width=\"{:.2f}\" height=\"{}\" fill=\"{}\"/>\n",
            x(stretch.begin), y + (runs ? 2 : 8), x(stretch.end) - x(stretch.begin),
            runs ? row - 4 : row - 16, fill);
      }
    }
    const int axis = top + head + row * static_cast<int>(jobs.size()) + 14;
    for (int tick = 0; tick <= 4; ++tick) {
      const Span at = end * tick / 4;
      svg += lab::svg::text(x(at), axis, shown(at, outcome.unit), "text-anchor=\"middle\"");
    }
    top += band;
  }
  return lab::svg::document(left + drawn + 40, band * static_cast<int>(outcomes.size()),
                            "Scheduling", svg);
}

}  // namespace polyio::app
