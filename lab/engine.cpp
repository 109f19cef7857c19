#include "engine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <polyio/base/random.hpp>
#include <system_error>
#include <utility>

#include "handlers.hpp"

namespace polyio::lab {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t most_counted = 1000;      // connections, where calls are counted
constexpr std::size_t accept_connections = 50;  // at once, where accepting is measured
constexpr std::size_t fewest_for_memory = 100;  // connections: a page more or less is 1 % then

constexpr std::size_t accepts_near = 100;  // connections of the point that accepting belongs to

// What the load generator calls the measures.
constexpr std::array<std::pair<std::string_view, std::string_view>, 7> from_load{{
    {"requests_per_second", "operations_per_second"},
    {"cpu_us", "cpu_us_per_operation"},
    {"cpu_user_us", "cpu_user_us_per_operation"},
    {"cpu_system_us", "cpu_system_us_per_operation"},
    {"switches_voluntary", "switches_voluntary_per_operation"},
    {"switches_involuntary", "switches_involuntary_per_operation"},
    {"waited_for_core_share", "waited_for_core_share"},
}};

void take_value(Run& run, std::string_view name, const Json& answer, std::string_view key) {
  const auto found = answer.find(key);
  if (found != answer.end() && found->is_number()) {
    run.values[std::string(name)] = found->get<double>();
  }
}

std::uint64_t requests_to_count(const Point& point) {
  const Work work = parse_work(point.handler);
  std::uint64_t requests = std::max<std::uint64_t>(200, 2 * point.active);
  if (work.span.count() > 0) {  // five seconds of work at most, but ten messages
    const auto each = static_cast<double>(work.span.count()) / 1e9;
    const double parallel = work.kind == Work::Kind::sleep ? static_cast<double>(point.active) : 1;
    requests = std::clamp<std::uint64_t>(static_cast<std::uint64_t>(5 / each * parallel / 3), 10,
                                         requests);
  }
  return requests;
}

}  // namespace

Engine::Engine(Results& results, std::function<void()> save)
    : results_(results), save_(std::move(save)), signals_({SIGINT, SIGTERM}) {}

// With the point whose connections are nearest to a hundred, of each model and architecture.
bool Engine::counts_accepts(const Measured& measured, unsigned round) const {
  if (!measured.wants_accepts || (results_.settings.quick && round > 1)) return false;
  const auto far = [](const Point& point) {
    return point.connections > accepts_near ? point.connections : accepts_near - point.connections;
  };
  for (const Measured& other : results_.points) {
    const Point &a = other.point, &b = measured.point;
    if (a.model != b.model || a.architecture != b.architecture || !a.left_out.empty()) continue;
    if (far(a) < far(b) || (far(a) == far(b) && &other < &measured)) return false;
  }
  return true;
}

std::vector<Engine::Turn> Engine::turns_of(unsigned round) const {
  std::vector<Turn> turns;
  for (Measured& one : results_.points) {
    const std::size_t most = results_.settings.quick ? accepts_near : most_counted;
    const bool counts = one.wants_calls && round == 1 && one.point.connections <= most;
    turns.push_back({&one, nullptr, round, counts_accepts(one, round), counts});
  }
  for (Tried& one : results_.trials) turns.push_back({.tried = &one, .round = round});
  // The order is the same when a round is gone on with.
  Random random(results_.settings.seed * 1'000'003 + round);
  for (std::size_t i = turns.size(); i > 1; --i) {
    std::swap(turns[i - 1], turns[random.below(i)]);
  }
  std::erase_if(turns, [](const Turn& turn) {
    if (turn.tried) return has_round(turn.tried->runs, turn.round);
    return !turn.measured->point.left_out.empty() || turn.measured->has_round(turn.round);
  });
  return turns;
}

double Engine::seconds_of(const Turn& turn) const {
  if (turn.tried) return turn.tried->trial.seconds;
  const Point& point = turn.measured->point;
  const bool each = point.architecture.ends_with("per-connection");
  const double start = 0.1 + static_cast<double>(point.connections) * (each ? 5e-4 : 6e-5);
  const double span = results_.settings.seconds + results_.settings.warmup;
  return start + span + (turn.accepts ? 0.1 + span / 2 : 0) + (turn.counts ? 2 * start + 0.2 : 0);
}

double Engine::foreseen() const {
  double sum = 0;
  for (unsigned round = 1; round <= results_.settings.rounds; ++round) {
    for (const Turn& turn : turns_of(round)) sum += seconds_of(turn);
  }
  return sum;
}

void Engine::run() {
  Progress progress(foreseen(), results_.command);
  progress_ = &progress;
  for (unsigned round = 1; round <= results_.settings.rounds; ++round) {
    const std::vector<Turn> turns = turns_of(round);
    for (std::size_t i = 0; i < turns.size(); ++i) {
      const Turn& turn = turns[i];
      progress.step(fmt::format(
          "round {} of {}, {} of {}: {}", round, results_.settings.rounds, i + 1, turns.size(),
          turn.tried ? turn.tried->trial.name : name_of(turn.measured->point)));
      take(turn);
      progress.done(seconds_of(turn));
    }
    if (turns.empty()) continue;
    if (results_.complete()) results_.finished = now_as_text();
    save_();
  }
}

void Engine::take(const Turn& turn) {
  std::vector<Run>& runs = turn.tried ? turn.tried->runs : turn.measured->runs;
  Run run{.round = turn.round, .error = {}, .values = {}};
  const auto failed = [](const Run& before) { return !before.error.empty(); };
  if (std::ranges::count_if(runs, failed) >= 2) {
    run.error = "failed twice before";
  } else {
    try {
      if (turn.tried) {
        try_out(turn.tried->trial, run);
      } else {
        measure(turn, run);
      }
      if (turn.counts && may_count_) count(turn);
    } catch (const std::exception& error) {
      run.error = error.what();
      run.values.clear();
    }
  }
  const bool left_out = turn.measured && !turn.measured->point.left_out.empty();
  if (!left_out) runs.push_back(std::move(run));
}

void Engine::try_out(const Trial& trial, Run& run) {
  const auto patience = Nanoseconds(static_cast<std::int64_t>(trial.seconds * 20e9)) + 60s;
  Child child({.arguments = trial.arguments, .cores = trial.cores, .program = trial.program},
              &signals_);
  const auto line = child.read_line(patience);
  const os::ExitStatus ended = child.wait(patience);
  const Json figures = Json::parse(line.value_or(""), nullptr, false);
  if (ended.code != 0 || ended.signal != 0 || !figures.is_object()) {
    const std::string words = child.last_words();
    const std::string what = ended.code == not_started ? "it can't be started"
                             : figures.is_object()     ? "it " + ended.text()
                                                       : "it printed no figures";
    throw std::runtime_error(words.empty() ? what : words);
  }
  for (const auto& [name, value] : figures.items()) {
    if (value.is_boolean()) run.values[name] = value.get<bool>() ? 1 : 0;
    if (value.is_number()) run.values[name] = value.get<double>();
  }
}

void Engine::measure(const Turn& turn, Run& run) {
  const Settings& settings = results_.settings;
  const Point& point = turn.measured->point;
  const bool memory = point.connections >= fewest_for_memory && !point.connects;
  std::vector<std::string> load = load_arguments(point);
  for (const std::string& more : {std::string("--seconds"), fmt::format("{}", settings.seconds),
                                  std::string("--warmup"), fmt::format("{}", settings.warmup)}) {
    load.push_back(more);
  }
  if (point.rate > 0) load.insert(load.end(), {"--rate", fmt::format("{}", point.rate)});
  if (memory) load.emplace_back("--memory");
  const Json answer = load_server(*turn.measured, load, settings.seconds + settings.warmup);
  for (const auto& [name, key] : from_load) take_value(run, name, answer, key);
  const Json latency = answer.value("latency_us", Json::object());
  for (const char* const name : {"p50", "p90", "p99", "p999", "max"}) {
    take_value(run, fmt::format("{}_us", name), latency, name);
  }
  if (memory) take_value(run, "memory_bytes_per_connection", answer, "bytes_per_connection");
  if (!turn.accepts) return;
  const std::size_t slots =
      point.architecture == "iterative" ? 1 : std::min(accept_connections, point.connections);
  const Json accepted = load_server(
      *turn.measured,
      {"connect", "--connections", std::to_string(slots), "--size", "64", "--seconds",
       fmt::format("{}", settings.seconds / 2), "--warmup", fmt::format("{}", settings.warmup / 2)},
      settings.seconds);
  take_value(run, "accepts_per_second", accepted, "operations_per_second");
}

// A process of its own counts, as it waits for all its children.
void Engine::count(const Turn& turn) {
  const Point& point = turn.measured->point;
  Child counter({.arguments = calls_arguments(point)}, &signals_);
  const auto line = counter.read_line(150s);
  if (!line || !line->starts_with('{')) {
    if (counter.last_words().find("ptrace") != std::string::npos) may_count_ = false;
    progress_->say(
        fmt::format("{}: no system calls were counted: {}", name_of(point), counter.last_words()));
    return;
  }
  const Json answer = Json::parse(*line);
  for (const auto& [name, count] : answer.at("system_calls").items()) {
    turn.measured->calls[name] = count.get<double>();
  }
}

Json Engine::load_server(Measured& measured, const std::vector<std::string>& load,
                         double patience) {
  const Point& point = measured.point;
  Child::Options options = server_of(point);
  options.cores = cores_of(results_.settings, point);
  Child server(std::move(options), &signals_);
  const std::string address = ready_address(server, server.read_line(30s));
  std::vector<std::string> arguments{"lab", "load"};
  arguments.insert(arguments.end(), load.begin(), load.end());
  for (const std::string& more :
       {std::string("--server"), address, std::string("--pid"), std::to_string(server.pid())}) {
    arguments.push_back(more);
  }
  Child loading({.arguments = arguments, .cores = results_.settings.load_cores}, &signals_);
  const auto line =
      loading.read_line(120s + Nanoseconds(static_cast<std::int64_t>(patience * 1e9)));
  if (line) return Json::parse(*line);
  (void)loading.wait(10s);
  // A model may have a ceiling of its own; the server's log says that it was met.
  const ModelTraits* const traits = find_model(point.model);
  const auto limit = traits ? traits->limit : ModelTraits::Limit();
  const std::string log = server.said();
  if (limit.reason && (log.find(limit.reason) != log.npos ||
                       log.find(std::generic_category().message(limit.error)) != log.npos)) {
    measured.point.left_out = limit.reason;
  }
  std::string reason = loading.last_words();
  constexpr std::string_view prefix = "polyio lab load: ";
  if (reason.starts_with(prefix)) reason.erase(0, prefix.size());
  if (!log.empty()) reason += "; the server: " + server.last_words();
  throw std::runtime_error(reason.empty() ? "the load ended without an answer" : reason);
}

std::vector<std::string> load_arguments(const Point& point) {
  std::vector<std::string> arguments{point.connects ? "connect" : "echo", "--connections",
                                     std::to_string(point.connections), "--size",
                                     std::to_string(point.size)};
  if (!point.connects) {
    arguments.insert(arguments.end(), {"--active", std::to_string(point.active), "--depth",
                                       std::to_string(point.depth)});
  }
  return arguments;
}

std::vector<std::string> server_arguments(const Point& point) {
  std::vector<std::string> arguments{"lab",
                                     "serve",
                                     "--model",
                                     point.model,
                                     "--architecture",
                                     point.architecture,
                                     "--handler",
                                     point.handler,
                                     "--size",
                                     std::to_string(point.size)};
  if (point.workers > 0) {
    arguments.emplace_back("--workers");
    arguments.push_back(std::to_string(point.workers));
  }
  if (point.poll_interval_us > 0) {
    arguments.emplace_back("--poll-interval");
    arguments.push_back(fmt::format("{}us", point.poll_interval_us));
  }
  if (!point.policy.empty()) arguments.insert(arguments.end(), {"--policy", point.policy});
  return arguments;
}

Child::Options server_of(const Point& point) {
  if (point.program.empty()) return {.arguments = server_arguments(point)};
  return {.arguments = {point.program.begin() + 1, point.program.end()},
          .program = point.program.front()};
}

std::vector<std::string> calls_arguments(const Point& point) {
  std::vector<std::string> arguments{"lab", "calls", "--size", std::to_string(point.size)};
  if (point.program.empty()) arguments = server_arguments(point);
  arguments[1] = "calls";
  for (const std::string& more :
       {std::string("--connections"), std::to_string(point.connections), std::string("--active"),
        std::to_string(point.active), std::string("--depth"), std::to_string(point.depth),
        std::string("--requests"), std::to_string(requests_to_count(point)), std::string("--")}) {
    arguments.push_back(more);
  }
  arguments.insert(arguments.end(), point.program.begin(), point.program.end());
  return arguments;
}

std::vector<int> cores_of(const Settings& settings, const Point& point) {
  if (spreads(point.architecture)) return settings.server_cores;
  return {settings.server_cores.front()};
}

std::string ready_address(Child& server, const std::optional<std::string>& line) {
  constexpr std::string_view before = "listening on ";
  if (!line || !line->starts_with(before)) {
    const std::string words = server.last_words();
    throw std::runtime_error("the server does not start: " +
                             (words.empty() ? std::string("it says nothing") : words));
  }
  return line->substr(before.size(), line->find(' ', before.size()) - before.size());
}

}  // namespace polyio::lab
