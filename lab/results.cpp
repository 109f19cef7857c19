#include "results.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>
#include <stdexcept>
#include <system_error>

namespace polyio::lab {
namespace {

constexpr int schema = 1;
constexpr std::uintmax_t largest_file = 64 << 20;
constexpr std::size_t deepest = 16;                           // values within values
constexpr std::size_t most_values = 10'000, most_keys = 200;  // of an array, of an object
constexpr double largest_figure = 1e15;
constexpr std::string_view damaged = "it is not what polyio lab run writes, or it was changed";
constexpr std::string_view no_resuming = "can't go on from this results.json: ";

// How a measure is called in "medians", and where it stands in a run.
struct Place {
  std::string_view name, group, own;
};
constexpr auto places = std::to_array<Place>({
    {"requests_per_second", "", "requests_per_second"},
    {"cpu_us", "", "cpu_us"},
    {"cpu_user_us", "", "cpu_user_us"},
    {"cpu_system_us", "", "cpu_system_us"},
    {"p50_us", "latency_us", "p50"},
    {"p90_us", "latency_us", "p90"},
    {"p99_us", "latency_us", "p99"},
    {"p999_us", "latency_us", "p999"},
    {"max_us", "latency_us", "max"},
    {"switches_voluntary", "", "switches_voluntary"},
    {"switches_involuntary", "", "switches_involuntary"},
    {"memory_bytes_per_connection", "", "memory_bytes_per_connection"},
    {"accepts_per_second", "", "accepts_per_second"},
    {"waited_for_core_share", "", "waited_for_core_share"},
});

[[noreturn]] void refuse(const std::string& why) { throw std::runtime_error(why); }

// Before it is parsed, which takes time that grows with the square of an object's keys, and
// recurses when it is compared.
void check_bounds(std::string_view text) {
  struct Level {
    bool keys;
    std::size_t commas;
  };
  std::vector<Level> levels;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') quoted = !quoted;
    if (quoted) {
      if (c == '\\') ++i;
    } else if (c == '{' || c == '[') {
      levels.push_back({c == '{', 0});
      if (levels.size() > deepest) refuse("it is nested too deeply");
    } else if (levels.empty()) {
      continue;
    } else if (c == '}' || c == ']') {
      levels.pop_back();
    } else if (c == ',' &&
               ++levels.back().commas >= (levels.back().keys ? most_keys : most_values)) {
      refuse("it has more values than a run can have");
    }
  }
}

Json parsed(std::string_view text) {
  check_bounds(text);
  Json json = Json::parse(text);
  if (!json.is_object() || json.value("schema", Json()) != schema) {
    refuse(fmt::format("it is not of schema {}, which this polyio writes", schema));
  }
  return json;
}

Json json_of(const Settings& settings) {
  return {{"quick", settings.quick},
          {"rounds", settings.rounds},
          {"seconds", settings.seconds},
          {"warmup", settings.warmup},
          {"seed", settings.seed},
          {"server_cores", settings.server_cores},
          {"load_cores", settings.load_cores}};
}

Json json_of(const Run& run) {
  if (!run.error.empty()) return {{"round", run.round}, {"error", run.error}};
  Json json;
  json["round"] = run.round;
  for (const Place& place : places) {
    const auto found = run.values.find(place.name);
    Json& into = place.group.empty() ? json : json[std::string(place.group)];
    Json& value = into[std::string(place.own)];
    if (found != run.values.end()) value = found->second;
  }
  return json;
}

Json medians_of(const Measured& measured) {
  Json json = Json::object();
  for (const Place& place : places) {
    const auto spread = measured.series(place.name).spread();
    Json& value = json[std::string(place.name)];
    if (spread) value = {{"median", spread->median}, {"low", spread->low}, {"high", spread->high}};
  }
  return json;
}

// A number that can have been measured; nothing: null.
std::optional<double> number_of(const Json& json) {
  if (json.is_null()) return std::nullopt;
  if (!json.is_number()) refuse("a figure is no number");
  const auto value = json.get<double>();
  if (!(std::abs(value) <= largest_figure)) refuse("a figure is larger than any that is measured");
  return value;
}

std::string text_of(const Json& json) {
  if (!json.is_string() || json.get_ref<const std::string&>().size() > 10'000) {
    refuse("a text is none, or endless");
  }
  return json.get<std::string>();
}

Run run_of(const Json& json, unsigned rounds) {
  Run run;
  const Json& round = json.at("round");
  if (!round.is_number_unsigned() || round.get<std::uint64_t>() - 1 >= rounds) {
    refuse("a run is of a round that there is not");
  }
  run.round = round.get<unsigned>();
  if (json.contains("error")) {
    run.error = text_of(json["error"]);
    if (run.error.empty()) refuse("an error has no reason");
    return run;
  }
  for (const Place& place : places) {
    const Json& from = place.group.empty() ? json : json.at(std::string(place.group));
    const auto value = number_of(from.at(std::string(place.own)));
    if (value) run.values.emplace(place.name, *value);
  }
  return run;
}

void take_over(Measured& measured, const Json& json, unsigned rounds) {
  if (json.contains("left_out")) {
    measured.point.left_out = text_of(json["left_out"]);
    return;
  }
  measured.point.left_out.clear();
  const Json& runs = json.at("runs");
  if (!runs.is_array() || runs.size() > rounds) refuse("a point has more runs than rounds");
  for (const Json& run : runs) {
    Run read = run_of(run, rounds);
    if (measured.has_round(read.round)) refuse("a point has a round twice");
    measured.runs.push_back(std::move(read));
  }
  const Json& calls = json.at("system_calls");
  if (calls.is_null()) return;
  if (!calls.is_object()) refuse("its system calls are no list of them");
  for (const auto& [name, count] : calls.items()) {
    if (name.size() > 100) refuse("its system calls are no list of them");
    measured.calls[name] = number_of(count).value_or(0);
  }
}

std::uint64_t whole_of(const Json& json, std::uint64_t least, std::uint64_t most) {
  if (!json.is_number_unsigned() || json.get<std::uint64_t>() < least ||
      json.get<std::uint64_t>() > most) {
    refuse("a whole number is none, or out of its bounds");
  }
  return json.get<std::uint64_t>();
}

// One word of ASCII, for a table's column.
std::string name_of(const Json& json) {
  std::string name = text_of(json);
  const auto plain = [](char c) { return c > ' ' && c < 0x7f; };
  if (name.empty() || name.size() > 40 || !std::ranges::all_of(name, plain)) {
    refuse("the name of a model, an architecture or a handler is none");
  }
  return name;
}

Point point_of(const Json& json) {
  Point point{.model = name_of(json.at("model")),
              .architecture = name_of(json.at("architecture")),
              .handler = name_of(json.at("handler"))};
  point.connections = whole_of(json.at("connections"), 1, 1'000'000);
  point.active = whole_of(json.at("active"), 1, point.connections);
  point.size = whole_of(json.at("size"), 1, 16 << 20);
  point.depth = whole_of(json.at("depth"), 1, 65536);
  point.rate = number_of(json.at("rate")).value_or(-1);
  if (point.rate < 0) refuse("a rate is none");
  return point;
}

// Where the results went says nothing of how they were measured.
std::string without_out(const std::string& command) {
  std::istringstream words(command);
  std::string kept;
  for (std::string word; words >> word;) {
    if (word == "--out") {
      words >> word;
    } else if (!word.starts_with("--out=")) {
      kept += (kept.empty() ? "" : " ") + word;
    }
  }
  return kept;
}

}  // namespace

Json json_of(const Point& point) {
  return {{"model", point.model},     {"architecture", point.architecture},
          {"handler", point.handler}, {"connections", point.connections},
          {"active", point.active},   {"size", point.size},
          {"depth", point.depth},     {"rate", point.rate}};
}

Json json_of(const Measured& measured) {
  Json json = json_of(measured.point);
  if (!measured.point.left_out.empty()) {
    json["left_out"] = measured.point.left_out;
    return json;
  }
  json["runs"] = Json::array();
  for (const Run& run : measured.runs) json["runs"].push_back(json_of(run));
  const auto calls = measured.calls_in_all();
  json["system_calls_per_request"] = calls ? Json(*calls) : Json();
  json["system_calls"] = measured.calls.empty() ? Json() : Json(measured.calls);
  json["medians"] = medians_of(measured);
  return json;
}

std::vector<std::string_view> measures() {
  std::vector<std::string_view> names;
  names.reserve(places.size());
  for (const Place& place : places) names.push_back(place.name);
  return names;
}

bool has_round(const std::vector<Run>& runs, unsigned round) {
  return std::ranges::find(runs, round, &Run::round) != runs.end();
}

std::optional<double> Measured::calls_in_all() const {
  if (calls.empty()) return std::nullopt;
  double sum = 0;
  for (const auto& [name, count] : calls) sum += count;
  return sum;
}

Series series_of(const std::vector<Run>& runs, std::string_view measure) {
  Series series;
  for (const Run& run : runs) {
    const auto found = run.values.find(measure);
    if (found != run.values.end()) series.by_round[run.round] = found->second;
  }
  return series;
}

bool Results::complete() const {
  const auto whole = [&](const auto& one) { return one.runs.size() == settings.rounds; };
  return std::ranges::all_of(trials, whole) &&
         std::ranges::all_of(points, [&](const Measured& one) {
           return !one.point.left_out.empty() || whole(one);
         });
}

Results new_results(std::string command, Settings settings, const std::vector<Point>& plan) {
  Results results{std::move(command), now_as_text(), {}, machine(), std::move(settings), {}};
  for (const Point& point : plan) results.points.push_back({point, {}, {}});
  return results;
}

Json head_of(const Results& results) {
  Json json;
  json["schema"] = schema;
  json["polyio"] = POLYIO_VERSION;
  json["command"] = results.command;
  json["started"] = results.started;
  json["finished"] = results.finished.empty() ? Json() : Json(results.finished);
  json["complete"] = results.complete();
  json["machine"] = results.machine;
  json["settings"] = json_of(results.settings);
  return json;
}

std::string file_text(const Json& json) {
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string to_json(const Results& results, const std::vector<Verdict>& verdicts) {
  Json json = head_of(results);
  json["points"] = Json::array();
  for (const Measured& measured : results.points) json["points"].push_back(json_of(measured));
  json["verdicts"] = Json::array();
  for (const Verdict& verdict : verdicts) {
    json["verdicts"].push_back({{"question", verdict.question},
                                {"answer", verdict.answer},
                                {"text", verdict.text},
                                {"within_noise", verdict.within_noise}});
  }
  return file_text(json);
}

void take_over(Results& results, std::string_view text) {
  try {
    const Json json = parsed(text);
    const auto same = [](const Json& theirs, const Json& ours, std::string_view what) {
      if (theirs != ours) refuse(fmt::format("it was measured {}", what));
    };
    same(json.at("polyio"), POLYIO_VERSION, "by another version of polyio");
    same(json.at("machine"), results.machine, "on another machine, or under another kernel");
    const std::string command = text_of(json.at("command"));
    const std::string other = "with other options: " + command;
    same(json.at("settings"), json_of(results.settings), other);
    const Json& points = json.at("points");
    same(points.is_array() ? points.size() : 0, results.points.size(), other);
    Results taken = results;
    taken.command = command;
    taken.started = text_of(json.at("started"));
    if (!json.at("finished").is_null()) taken.finished = text_of(json["finished"]);
    for (std::size_t i = 0; i < taken.points.size(); ++i) {
      same(json_of(point_of(points[i])), json_of(taken.points[i].point), other);
      take_over(taken.points[i], points[i], results.settings.rounds);
    }
    results = std::move(taken);
  } catch (const Json::exception&) {
    throw std::runtime_error(std::string(no_resuming) += damaged);
  } catch (const std::runtime_error& error) {
    throw std::runtime_error(std::string(no_resuming) += error.what());
  }
}

Recorded read_results(std::string_view text) try {
  const Json json = parsed(text);
  Recorded recorded{text_of(json.at("started")), json.at("complete").get<bool>(), {}, {}};
  recorded.conditions["polyio"] = text_of(json.at("polyio"));
  for (const char* const group : {"machine", "settings"})
    recorded.conditions.update(json.at(group));
  recorded.conditions["command"] = without_out(text_of(json.at("command")));
  const std::uint64_t rounds = whole_of(json["settings"].at("rounds"), 1, 1000);
  if (!json.at("points").is_array()) refuse("its points are no list");
  std::set<Point> known;
  for (const Json& each : json["points"]) {
    Measured measured{point_of(each), {}, {}};
    if (!known.insert(measured.point).second) refuse("it has a point twice");
    take_over(measured, each, static_cast<unsigned>(rounds));
    recorded.points.push_back(std::move(measured));
  }
  return recorded;
} catch (const Json::exception&) {
  refuse(std::string(damaged));
}

std::string read_file(const std::string& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);  // a pipe has none
  if (error) throw std::runtime_error("can't read " + path + ": " + error.message());
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("can't read " + path);
  if (size > largest_file) throw std::runtime_error(path + " is too large to be a results.json");
  std::string text(size, '\0');
  file.read(text.data(), static_cast<std::streamsize>(size));
  text.resize(static_cast<std::size_t>(file.gcount()));
  return text;
}

void write_file(const std::string& path, std::string_view text) {
  const std::string temporary = path + ".new";
  {
    std::ofstream file(temporary, std::ios::binary | std::ios::trunc);
    file << text;
    if (!file.flush()) {
      throw std::system_error(errno, std::generic_category(), "can't write " + temporary);
    }
  }
  if (std::rename(temporary.c_str(), path.c_str()) != 0) {
    throw std::system_error(errno, std::generic_category(), "can't write " + path);
  }
}

}  // namespace polyio::lab
