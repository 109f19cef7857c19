#include "dials.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <polyio/base/text.hpp>
#include <polyio/sched/kind.hpp>
#include <stdexcept>

#include "lab/handlers.hpp"

namespace polyio::lab {
namespace {

constexpr std::size_t longest_name = 40;
constexpr std::uint64_t most_connections = 100'000, most_under_way = 1'000'000;
constexpr std::uint64_t largest_message = 1 << 20, deepest = 1024;
constexpr double highest_rate = 1e6;
constexpr std::chrono::seconds longest_work{1};  // the load would take more for a silence

template <class... Parts>
[[noreturn]] void refuse(fmt::format_string<Parts...> text, Parts&&... parts) {
  throw std::invalid_argument(fmt::format(text, std::forward<Parts>(parts)...));
}

std::string name_in(const std::string& dial, const Json& value) {
  if (!value.is_string()) refuse("{} takes a name", dial);
  const auto& name = value.get_ref<const std::string&>();
  if (name.size() > longest_name) refuse("{} takes a name of {} bytes at most", dial, longest_name);
  return name;
}

std::uint64_t number_in(const std::string& dial, const Json& value, std::uint64_t least,
                        std::uint64_t most) {
  const bool whole =
      value.is_number_unsigned() || (value.is_number_integer() && value.get<std::int64_t>() >= 0);
  const bool fits =
      whole && value.get<std::uint64_t>() >= least && value.get<std::uint64_t>() <= most;
  if (!fits) refuse("{} takes a whole number from {} to {}", dial, grouped(least), grouped(most));
  return value.get<std::uint64_t>();
}

double rate_in(const Json& value) {
  if (!value.is_number() || !(value.get<double>() >= 0 && value.get<double>() <= highest_rate)) {
    refuse("rate takes a number from 0 to {}", grouped(static_cast<std::uint64_t>(highest_rate)));
  }
  return value.get<double>();
}

// One dial, whether it goes together with the others or not.
void turn_one(Point& point, const std::string& dial, const Json& value) {
  if (dial == "model") {
    point.model = name_in(dial, value);
  } else if (dial == "architecture") {
    point.architecture = name_in(dial, value);
  } else if (dial == "policy") {
    point.policy = name_in(dial, value);
  } else if (dial == "handler") {
    point.handler = name_in(dial, value);
  } else if (dial == "connections") {
    point.connections = number_in(dial, value, 1, most_connections);
  } else if (dial == "active") {
    point.active = number_in(dial, value, 0, most_connections);
  } else if (dial == "size") {
    point.size = number_in(dial, value, 1, largest_message);
  } else if (dial == "depth") {
    point.depth = number_in(dial, value, 1, deepest);
  } else if (dial == "rate") {
    point.rate = rate_in(value);
  } else {
    refuse("there is no dial '{}'", escape_for_log(dial, longest_name));
  }
}

const ModelInfo& model_of(const Point& point, const Bounds& bounds) {
  const auto found = std::ranges::find(bounds.models, point.model, &ModelInfo::model);
  if (found != bounds.models.end()) return *found;
  refuse("there is no model '{}'", escape_for_log(point.model));
}

void check_policy(const Point& point, const ModelInfo& model) {
  if (!sched::find_kind(point.policy)) {
    refuse("there is no policy '{}', but {}", escape_for_log(point.policy),
           fmt::join(sched::kind_names, ", "));
  }
  const bool loops = point.architecture == "loop" || point.architecture == "loops" ||
                     point.architecture == "prefork";
  if (point.policy == sched::name_of(sched::Kind::fcfs) || (loops && model.traits->has_loop)) {
    return;
  }
  refuse(
      "{} orders the turns that connections take on a loop: it goes with loop, loops and prefork, "
      "and with models that have a loop",
      point.policy);
}

void check(const Point& point, const Bounds& bounds) {
  const ModelInfo& model = model_of(point, bounds);
  const auto all = list_architectures();
  if (std::ranges::find(all, point.architecture) == all.end()) {
    refuse("there is no architecture '{}', but {}", escape_for_log(point.architecture),
           fmt::join(all, ", "));
  }
  const std::string why = why_left_out(point, bounds.models, bounds.limits);
  if (!why.empty()) {
    refuse("{} under {}, {} connections: {}", point.model, point.architecture,
           grouped(point.connections), why);
  }
  check_policy(point, model);
  if (parse_work(point.handler).span > longest_work)
    refuse("here a handler takes a second at most");
  if (point.connections * point.depth > most_under_way) {
    refuse("at most {} messages are under way at once", grouped(most_under_way));
  }
}

struct Dial {
  const char* name;
  std::vector<Json> values;
};

// What the page offers; other values that fit can be asked for, too.
std::vector<Dial> dials_of(const Bounds& bounds) {
  std::vector<Json> models, architectures, policies;
  for (const ModelInfo& model : bounds.models) {
    if (model.traits->make) models.emplace_back(model.model);
  }
  for (const std::string_view name : list_architectures()) architectures.emplace_back(name);
  for (const std::string_view name : sched::kind_names) policies.emplace_back(name);
  return {{"model", models},
          {"architecture", architectures},
          {"policy", policies},
          {"handler", {"echo", "sleep:1ms", "sleep:5ms", "cpu:20us", "cpu:200us"}},
          {"connections", {1, 10, 100, 1000, 10'000}},
          {"active", {0, 1, 10, 100}},
          {"size", {16, 64, 1024, 16'384, 262'144}},
          {"depth", {1, 4, 16, 64}},
          {"rate", {0, 100, 1000, 10'000, 50'000}}};
}

}  // namespace

Json parse_turn(std::string_view message) {
  // Counted first, because copies of what is nested deeply recurse.
  const auto opens = [](char c) { return c == '{' || c == '['; };
  const bool flat = std::ranges::count_if(message, opens) <= 4;
  const Json json = flat ? Json::parse(message, nullptr, false) : Json();
  if (json.is_object() && json.size() == 2 && json.value("type", Json()) == "turn") {
    if (const auto dials = json.find("dials"); dials != json.end() && dials->is_object()) {
      return *dials;
    }
  }
  refuse(R"(not understood: send {{"type": "turn", "dials": {{"model": "poll"}}}})");
}

Point turned(const Point& now, const Json& change, const Bounds& bounds) {
  Point point = now;
  if (point.active == point.connections) point.active = 0;
  for (const auto& [dial, value] : change.items()) turn_one(point, dial, value);
  check(point, bounds);
  point.active = point.active == 0 ? point.connections : std::min(point.active, point.connections);
  point.workers = workers_for(point, bounds.models);
  return point;
}

Point first_position(const Json& dials, const Bounds& bounds) {
  Point point{.model = choose_model().model,
              .architecture = {},
              .handler = "echo",
              .connections = 100,
              .active = 100,
              .left_out = {},
              .policy = "fcfs"};
  if (dials.contains("model")) turn_one(point, "model", dials["model"]);
  point.architecture = model_of(point, bounds).architectures.front();
  return turned(point, dials, bounds);
}

Json position_of(const Point& point) {
  Json json = json_of(point);
  json.erase("workers");
  json["policy"] = point.policy;
  if (point.active == point.connections) json["active"] = 0;
  return json;
}

Json choices_of(const Point& now, const Bounds& bounds) {
  Json all = Json::array();
  const Json position = position_of(now);
  for (const Dial& dial : dials_of(bounds)) {
    Json choices = Json::array();
    std::vector<Json> values = dial.values;
    if (std::ranges::find(values, position[dial.name]) == values.end()) {
      values.push_back(position[dial.name]);
    }
    for (const Json& value : values) {
      std::string why_not;
      try {
        (void)turned(now, {{dial.name, value}}, bounds);
      } catch (const std::invalid_argument& error) {
        why_not = error.what();
      }
      Json choice{{"value", value}, {"why_not", why_not}};
      const ModelTraits* const model =
          value.is_string() ? find_model(value.get_ref<const std::string&>()) : nullptr;
      if (model) choice["says"] = model->waits;
      choices.push_back(std::move(choice));
    }
    all.push_back({{"dial", dial.name}, {"choices", std::move(choices)}});
  }
  return all;
}

std::string difference(const Point& before, const Point& now) {
  const Json old = position_of(before), fresh = position_of(now);
  std::vector<std::string> parts;
  for (const auto& [dial, value] : fresh.items()) {
    if (old.at(dial) == value) continue;
    const bool all = dial == "active" && value == 0;
    const std::string text =
        value.is_string() ? value.get<std::string>() : fmt::format("{:g}", value.get<double>());
    parts.push_back(fmt::format("{} {}", dial, all ? "all" : text));
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

}  // namespace polyio::lab
