// What `polyio lab run` has measured, as results.json (docs/lab.md): written after every round,
// read again by --resume and by `polyio lab compare`. What is read is untrusted: its form and its
// sizes are checked.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plan.hpp"
#include "statistics.hpp"

namespace polyio::lab {

using Json = nlohmann::ordered_json;

struct Settings {
  bool quick = false;
  unsigned rounds = 5;
  double seconds = 1, warmup = 0.3;
  std::uint64_t seed = 1;
  std::vector<int> server_cores, load_cores;
};

// One run of one point. By name, what was measured: see measures().
struct Run {
  unsigned round = 1;
  std::string error;  // why it failed; nothing was measured then
  std::map<std::string, double, std::less<>> values;
};

bool has_round(const std::vector<Run>& runs, unsigned round);
// Of the runs that did not fail.
Series series_of(const std::vector<Run>& runs, std::string_view measure);

// The names of Run::values, which are those of "medians" too.
std::vector<std::string_view> measures();

struct Measured {
  Point point;
  std::vector<Run> runs;
  std::map<std::string, double> calls;  // system calls per request; empty: not counted

  // In runs of their own, how fast it accepts and what calls it makes, too.
  bool wants_accepts = true, wants_calls = true;

  bool has_round(unsigned round) const { return lab::has_round(runs, round); }
  Series series(std::string_view measure) const { return series_of(runs, measure); }
  // Of all names; nothing: they were not counted.
  std::optional<double> calls_in_all() const;
};

struct Tried {
  Trial trial;
  std::vector<Run> runs;  // their values are the figures that it printed
};

struct Verdict {
  std::string question, answer, text;
  bool within_noise = true;
};

struct Results {
  std::string command, started;
  std::string finished;  // empty: not yet
  Json machine;
  Settings settings;
  std::vector<Measured> points;
  std::vector<Tried> trials{};

  bool complete() const;
};

Results new_results(std::string command, Settings settings, const std::vector<Point>& plan);
std::string to_json(const Results& results, const std::vector<Verdict>& verdicts);

// What both results.json and claims.json begin with.
Json head_of(const Results& results);
// A point with its runs and their medians.
Json json_of(const Measured& measured);
// As a file: its text is UTF-8, whatever was put into it.
std::string file_text(const Json& json);

// Takes over into `results`, which are new, what the file's text has of them. Throws
// std::runtime_error that says why not: another schema, settings, plan or machine, or no such file.
void take_over(Results& results, std::string_view text);

// The dials, without what was measured.
Json json_of(const Point& point);
// What a results.json has, of whatever machine, plan and version.
struct Recorded {
  std::string started;
  bool complete = false;
  Json conditions;  // by name: version, machine, settings, the command but its --out
  std::vector<Measured> points;
};
// Throws std::runtime_error that says what is wrong. The names in points are printable ASCII and
// short, their figures at most 1e15; the other texts can be anything.
Recorded read_results(std::string_view text);

// "use epoll" for each load that several models, or several architectures, were measured under.
std::vector<Verdict> verdicts_of(const Results& results);
// For the terminal: a row for each point, what was left out or failed, and the verdicts.
std::string summary_of(const Results& results, const std::vector<Verdict>& verdicts);

// The share of the time for which a server of one thread, or its load, had to wait for a core: what
// else runs on this machine took it. In words where it is too much; empty: it is not.
double disturbance(const Results& results);
std::string busy_warning(const Results& results);

// The text of a file of at most 64 MiB. Throws std::runtime_error.
std::string read_file(const std::string& path);
// Writes to a name of its own and renames, so that nothing reads half of it. Throws
// std::system_error.
void write_file(const std::string& path, std::string_view text);

// The processor, its cores, memory, kernel and system.
Json machine();
// "2026-11-29T15:30:00Z"
std::string now_as_text();

}  // namespace polyio::lab
