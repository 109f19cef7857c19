#include "stage.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "lab/engine.hpp"

namespace polyio::lab {
namespace {

using namespace std::chrono_literals;

constexpr unsigned figures_before_counting = 4;  // seen undisturbed after a turn
constexpr Nanoseconds start_patience = 30s, load_patience = 120s;
constexpr int reading_share = 50;  // reading /proc takes a fiftieth of the time at most

double rounded(double value) { return std::round(value * 1000) / 1000; }

// What the server is started with. Where it only echoes, it does not see how messages are cut.
std::vector<std::string> arguments_of(Point point) {
  if (point.handler == "echo") point.size = 64;
  return server_arguments(point);
}

bool same_load(const Point& a, const Point& b) {
  return load_arguments(a) == load_arguments(b) && a.rate == b.rate;
}

std::string without_name(std::string words) {
  constexpr std::string_view name = "polyio lab ";
  if (words.starts_with(name)) words.erase(0, words.find(": ") + 2);
  return words;
}

}  // namespace

Stage::Stage(Options options, Point start, Bounds bounds, Tell tell)
    : options_(std::move(options)),
      point_(std::move(start)),
      bounds_(std::move(bounds)),
      tell_(std::move(tell)),
      beside_(options_.cores.load_cores),
      begun_(monotonic_now()) {
  beside_.turn(point_);
  start_server();
  says_ = "Started";
}

double Stage::now() const {
  return rounded(std::chrono::duration<double>(monotonic_now() - begun_).count());
}

Json Stage::state() const {
  constexpr std::array names{"starting", "connecting", "running", "failed"};
  return {{"type", "state"},
          {"phase", names.at(static_cast<std::size_t>(phase_))},
          {"says", says_},
          {"position", position_of(point_)},
          {"dials", choices_of(point_, bounds_)},
          {"doing", beside_.doing()},
          {"calls", beside_.calls()}};
}

std::vector<Json> Stage::all() const {
  return {{{"type", "hello"},
           {"polyio", POLYIO_VERSION},
           {"machine", options_.machine},
           {"server_cores", options_.cores.server_cores},
           {"load_cores", options_.cores.load_cores},
           {"seconds", options_.kept},
           {"figures", Json(figures_)},
           {"marks", Json(marks_)}},
          state(),
          {{"type", "trace"}, {"trace", beside_.trace()}}};
}

void Stage::say(std::string text) {
  says_ = std::move(text);
  tell_(state());
}

void Stage::mark(std::string text) {
  const Json one{{"at", now()}, {"text", std::move(text)}};
  marks_.push_back(one);
  while (!marks_.empty() && marks_.front()["at"] < now() - options_.kept) marks_.pop_front();
  tell_({{"type", "mark"}, {"mark", one}});
}

void Stage::fail(const std::string& why) {
  load_.reset();
  server_.reset();
  beside_.turn(point_);
  phase_ = Phase::failed;
  patience_ = change_patience_ = never;
  say(why + ". Turn a dial to start again.");
}

void Stage::start_server() {
  load_.reset();
  server_.reset();
  address_.clear();
  changes_ = 0;
  change_patience_ = never;
  usage_known_ = false;
  std::vector<std::string> arguments = arguments_of(point_);
  arguments.emplace_back("--console");
  server_ = std::make_unique<Child>(Child::Options{
      .arguments = arguments, .cores = cores_of(options_.cores, point_), .input = true});
  phase_ = Phase::starting;
  patience_ = monotonic_now() + start_patience;
}

void Stage::start_load() {
  std::vector<std::string> arguments = load_arguments(point_);
  arguments.insert(arguments.begin(), {"lab", "load"});
  arguments.insert(arguments.end(),
                   {"--server", address_, "--rate", fmt::format("{}", point_.rate), "--every",
                    fmt::format("{}", options_.every), "--seconds", "1e8", "--warmup", "0"});
  load_.reset();
  load_ = std::make_unique<Child>(
      Child::Options{.arguments = arguments, .cores = options_.cores.load_cores});
  usage_known_ = false;
  phase_ = Phase::connecting;
  patience_ = monotonic_now() + load_patience;
}

// Why the server can't go on with the model that is wanted now; empty: it is asked to.
std::string Stage::why_new_server(const Point& before) const {
  for (const std::string& name : {before.model, point_.model}) {
    const std::string_view why = find_model(name)->unchangeable;
    if (!why.empty()) return fmt::format("{}: {}", name, why);
  }
  const bool forks =
      point_.architecture == "prefork" || point_.architecture == "process-per-connection";
  return forks ? "under " + point_.architecture + " each process waits for itself" : "";
}

void Stage::change_model(const Point& before) {
  const std::string why = why_new_server(before);
  if (!why.empty()) {
    start_server();
    return say("A new server, because the model can't be changed under the connections: " + why);
  }
  if (address_.empty() || !server_->say("model " + point_.model)) {
    start_server();
    return say("A new server.");
  }
  ++changes_;
  change_patience_ = monotonic_now() + start_patience;
  say("Changing the model under the open connections");
}

void Stage::turn(const Point& wanted) {
  const Point before = std::exchange(point_, wanted);
  if (phase_ != Phase::failed && before == wanted) return;
  beside_.turn(point_);
  figures_since_turn_ = 0;
  const std::string what = difference(before, wanted);
  mark(what.empty() ? "started again" : what);
  Point but_model = before;
  but_model.model = wanted.model;
  try {
    if (phase_ == Phase::failed) {
      start_server();
      say("Started again");
    } else if (arguments_of(but_model) != arguments_of(wanted)) {
      start_server();
      say("A new server: " + what);
    } else {
      const bool new_load = !same_load(before, wanted);
      if (new_load && !address_.empty()) start_load();
      if (before.model != wanted.model) {
        change_model(before);
      } else {
        say("A new load: " + what);
      }
    }
  } catch (const std::exception& error) {
    fail(error.what());
  }
  tell_({{"type", "trace"}, {"trace", beside_.trace()}});
}

void Stage::look() {
  try {
    if (server_) read_server();
    if (load_) read_load();
    if (monotonic_now() > std::min(patience_, change_patience_)) fail("It takes too long");
  } catch (const std::exception& error) {
    fail(without_name(error.what()));
  }
  look_beside();
}

void Stage::read_server() {
  const bool ended = server_->has_ended();
  while (auto line = server_->take_line()) {
    if (!address_.empty()) {
      answered(*line);
      continue;
    }
    address_ = ready_address(*server_, line);
    start_load();
    say(says_);
  }
  if (!ended || !server_->has_ended()) return;
  const std::string words = without_name(server_->last_words());
  fail("The server " + server_->wait(1s).text() + (words.empty() ? "" : ": " + words));
}

// A line of its console.
void Stage::answered(const std::string& line) {
  if (changes_ == 0) return;
  --changes_;
  if (changes_ == 0) change_patience_ = never;
  if (!line.starts_with("model ")) {
    start_server();
    return say("A new server: " + line);
  }
  const std::string_view change = std::string_view(line).substr(line.find(' ') + 1);
  mark(std::string(change.substr(change.rfind(", a ") + 4)));
  say(fmt::format("The model was changed under the open connections: {}", change));
}

void Stage::read_load() {
  const bool ended = load_->has_ended();
  while (auto line = load_->take_line()) take_figures(Json::parse(*line));
  if (!ended) return;
  std::string words = without_name(load_->last_words());
  const std::string log = server_ ? server_->last_words() : "";
  if (!log.empty()) words += "; the server: " + log;
  fail("The load ended: " + words);
}

void Stage::take_figures(const Json& load) {
  const bool first = phase_ == Phase::connecting;  // while connecting, and the caches are cold
  if (first) {
    phase_ = Phase::running;
    patience_ = never;
    next_reading_ = {};
    say(says_);
  }
  Json figures{{"at", now()},
               {"requests", load.at("operations_per_second")},
               {"load_share", load.at("load_cpu_share")}};
  const Json latency = load.value("latency_us", Json::object());
  for (const char* const name : {"p50", "p99", "max"}) figures[name] = latency.value(name, Json());
  add_usage(figures, load.at("seconds").get<double>(), load.at("operations").get<double>());
  if (first) return;
  figures_.push_back(figures);
  while (figures_.front()["at"] < now() - options_.kept) figures_.pop_front();
  tell_({{"type", "figures"}, {"figures", figures}});
  if (++figures_since_turn_ != figures_before_counting) return;
  beside_.begin();
  tell_(state());
}

// Reading takes time where there are many threads or processes: then it is done less often, for
// all that came since the last time.
void Stage::add_usage(Json& figures, double seconds, double requests) {
  usage_seconds_ += seconds;
  usage_requests_ += requests;
  const Deadline start = monotonic_now();
  if (start < next_reading_) return;
  const Usage fresh = usage_of(server_->pid());
  const Memory memory = memory_of(server_->pid());
  const Deadline end = monotonic_now();
  next_reading_ = end + (end - start) * reading_share;
  if (usage_known_) {
    const Usage used = fresh - usage_;
    const auto each = [&](std::int64_t sum) {
      return usage_requests_ > 0 ? Json(rounded(static_cast<double>(sum) / usage_requests_))
                                 : Json();
    };
    figures["cpu_us"] = each(used.cpu_ns / 1000);
    figures["switches"] = each(used.voluntary + used.involuntary);
    figures["server_share"] = rounded(static_cast<double>(used.cpu_ns) / 1e9 / usage_seconds_);
    figures["memory"] = memory.private_dirty;
  }
  usage_known_ = true;
  usage_ = fresh;
  usage_seconds_ = usage_requests_ = 0;
}

void Stage::look_beside() {
  try {
    if (!beside_.look()) return;
  } catch (const std::exception& error) {
    return say(fmt::format("Nothing is counted or traced: {}", error.what()));
  }
  tell_(state());
  tell_({{"type", "trace"}, {"trace", beside_.trace()}});
}

}  // namespace polyio::lab
