#include "dials.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <polyio/base/assert.hpp>
#include <stdexcept>
#include <thread>

namespace polyio {
namespace {

using enum Architecture;

constexpr std::array<std::string_view, 3> accepting_names{"hand-over", "shared", "reuseport"};

// Of a model that is known.
const ModelTraits& traits_of(std::string_view model) noexcept {
  const ModelTraits* const row = find_model(model);
  POLYIO_ASSERT(row);
  return *row;
}

template <class Words>
std::string join(const Words& words) {
  return fmt::format("{}", fmt::join(words, ", "));
}

template <class... Parts>
[[noreturn]] void refuse(fmt::format_string<Parts...> text, Parts&&... parts) {
  throw std::invalid_argument(fmt::format(text, std::forward<Parts>(parts)...));
}

// Why connections served under this architecture can't meet in memory; empty: they can.
std::string_view why_apart(Architecture architecture) noexcept {
  if (architecture == iterative) return "one connection is served at a time";
  if (forks(architecture)) return "each process has a memory of its own";
  return {};
}

std::string settle_model(const ServerOptions& options) {
  if (options.model != "auto") return options.model;
  const AutoChoice choice = choose_model();
  options.log(fmt::format("model: {} ({})", choice.model, choice.why));
  return choice.model;
}

Architecture settle_architecture(const ServerOptions& options, const ModelInfo& model) {
  const std::string& name =
      options.architecture.empty() ? model.architectures.front() : options.architecture;
  const auto architecture = find_architecture(name);
  if (!architecture) {
    refuse("unknown architecture {}; there are {}", name, join(list_architectures()));
  }
  auto fit = model.architectures;
  if (options.one_process) {
    std::erase_if(fit, [](const auto& one) { return !why_apart(*find_architecture(one)).empty(); });
  }
  for (const auto& refusal : model.refusals) {
    if (refusal.architecture != name) continue;
    refuse("architecture {} does not go with model {}: {}; use {}", name, model.model,
           refusal.reason, join(fit));
  }
  if (const auto why = why_apart(*architecture); options.one_process && !why.empty()) {
    refuse("architecture {} can't serve connections that meet in memory: {}; use {}", name, why,
           join(fit));
  }
  return *architecture;
}

// Many connections take turns on each loop.
bool shares_loops(const Dials& dials) noexcept {
  const Architecture how = dials.architecture;
  return traits_of(dials.model).has_loop && (how == loop || how == loops || how == prefork);
}

// What decides which connection goes next, where connections do not share loops.
std::string_view who_decides(const Dials& dials) noexcept {
  if (dials.architecture == iterative) return "connections are served one after the other";
  if (forks(dials.architecture)) return "the kernel decides which process goes next";
  return "the kernel decides which thread goes next";
}

sched::Kind settle_policy(const ServerOptions& options, const Dials& dials) {
  if (options.policy.empty()) return sched::Kind::fcfs;
  const auto policy = sched::find_kind(options.policy);
  if (!policy) refuse("unknown policy {}; there are {}", options.policy, join(sched::kind_names));
  if (*policy == sched::Kind::fcfs || shares_loops(dials)) return *policy;
  refuse(
      "policy {} orders the turns that connections take on a loop; under {} with model {} {}: use "
      "architecture loop, loops or prefork and a model with a loop, such as epoll",
      options.policy, name_of(dials.architecture), dials.model, who_decides(dials));
}

void check_loop_options(const ServerOptions& options, const Dials& dials) {
  const ModelTraits& model = traits_of(dials.model);
  if (options.spin > Nanoseconds::zero()) {
    if (!model.has_loop) refuse("model {} can't spin: it has no loop that waits", model.name);
    if (model.polls) refuse("model {} can't spin: it always does", model.name);
  }
  if (options.poll_interval > Nanoseconds::zero() && !model.polls) {
    std::vector<std::string_view> polling;
    for (const ModelTraits& row : model_table()) {
      if (row.polls) polling.push_back(row.name);
    }
    refuse("a poll interval is for model {}; {} doesn't poll", join(polling), model.name);
  }
  if (options.watchdog > Nanoseconds::zero() && !shares_loops(dials)) {
    refuse("a watchdog looks after loops that many connections share; {} with model {} has none",
           name_of(dials.architecture), model.name);
  }
}

void check_background(const ServerOptions& options, const Dials& dials) {
  if (options.background.empty()) return;
  const Architecture how = dials.architecture;
  const bool one_by_one = how == iterative || how == prefork;  // where there is no loop
  if (how == process_per_connection || (one_by_one && !traits_of(dials.model).has_loop)) {
    refuse(
        "background tasks need a loop, or threads, beside the connections: {} with model {} has "
        "none",
        name_of(how), dials.model);
  }
}

void check_listening(const ServerOptions& options, const Dials& dials) {
  if (options.also.empty() || dials.architecture != iterative) return;
  refuse(
      "architecture iterative waits for one thing at a time: it can't listen on several addresses");
}

unsigned settle_workers(const ServerOptions& options, const Dials& dials) {
  const Architecture how = dials.architecture;
  if (options.workers > 1024) refuse("at most 1024 workers");
  if (how == loop || how == iterative || how == thread_per_connection) return 1;
  unsigned workers = options.workers;
  if (workers == 0) {
    workers = std::max(1u, std::thread::hardware_concurrency());
    if (workers_are_places(dials)) workers = how == thread_pool ? 64 : 16;
  }
  if (options.max_connections == 0 || how == loops || how == process_per_connection) return workers;
  // More workers than connections at once would never have anything to do.
  return static_cast<unsigned>(std::min<std::size_t>(workers, options.max_connections));
}

std::optional<std::size_t> settle_waiting(const ServerOptions& options, const Dials& dials) {
  if (workers_are_places(dials)) return options.max_waiting.value_or(128);
  if (options.max_waiting && dials.architecture == iterative) {
    refuse(
        "architecture iterative does one thing at a time, so connections wait in the backlog and "
        "are not accepted ahead: leave max-waiting out");
  }
  if (options.max_waiting && options.max_connections == 0) {
    refuse("max-waiting needs max-connections: without a ceiling no connection has to wait");
  }
  return options.max_waiting;
}

Accepting settle_accepting(const ServerOptions& options, const Dials& dials) {
  const std::string& name = options.accepting;
  if (name.empty()) return Accepting::hand_over;
  const auto* const found = std::ranges::find(accepting_names, name);
  if (found == accepting_names.end()) {
    refuse("unknown way of accepting {}; there are {}", name, join(accepting_names));
  }
  if (dials.architecture != loops) {
    refuse("accepting {} is for architecture loops; under {} there is one way only", name,
           name_of(dials.architecture));
  }
  const auto how = static_cast<Accepting>(found - accepting_names.begin());
  const bool one_queue = options.listen.starts_with("unix:") ||
                         std::ranges::any_of(options.also, [](const AlsoListen& also) {
                           return also.listen.starts_with("unix:");
                         });
  if (how == Accepting::reuseport && one_queue) {
    refuse("a Unix socket has one queue only: use --accepting shared or hand-over");
  }
  const std::string_view unshared = traits_of(dials.model).unshared_listener;
  if (how == Accepting::shared && !unshared.empty()) {
    refuse("{}: use --accepting hand-over or reuseport", unshared);
  }
  return how;
}

}  // namespace

std::string settle_change(const ServerOptions& options, const Dials& dials,
                          const std::string& before, std::string_view model) {
  ServerOptions wanted = options;
  wanted.model = model;
  wanted.architecture = name_of(dials.architecture);
  const std::string found = settle_dials(wanted).model;
  for (const std::string& one : {before, found}) {
    const std::string_view why = traits_of(one).unchangeable;
    if (why.empty()) continue;
    refuse("model {} can't be changed {} while the server runs: {}; start it with --model {}", one,
           one == found ? "to" : "from", why, found);
  }
  if (!forks(dials.architecture) && !serves_in_threads(dials.architecture)) return found;
  refuse(
      "under architecture {} each {} waits for itself, so the model can't be changed while the "
      "server runs: use architecture loop or loops",
      wanted.architecture, forks(dials.architecture) ? "process" : "connection's thread");
}

os::Address parse_listen(const std::string& listen) {
  const auto address = os::Address::parse(listen);
  if (address) return *address;
  if (address.error() == errno_code(ENAMETOOLONG)) {
    refuse("can't listen on '{}': a Unix socket's path has at most 107 bytes, this one {}", listen,
           listen.size() - std::string_view("unix:").size());
  }
  refuse(
      "can't listen on '{}': give ADDRESS:PORT, such as 127.0.0.1:8080 or [::1]:8080, or unix:PATH",
      listen);
}

ModelInfo usable_model(std::string_view model) {
  std::vector<std::string> names;
  for (ModelInfo& info : list_models()) {
    if (info.model != model) {
      names.push_back(info.model);
    } else if (info.available) {
      return std::move(info);
    } else {
      refuse("model {} can't be used here: {}; try --model auto", info.model, info.reason);
    }
  }
  refuse("unknown model {}; there are auto, {}", model, join(names));
}

std::optional<Architecture> find_architecture(std::string_view name) noexcept {
  const auto all = list_architectures();
  const auto found = std::ranges::find(all, name);
  if (found == all.end()) return std::nullopt;
  return static_cast<Architecture>(found - all.begin());
}

std::string_view name_of(Architecture architecture) noexcept {
  return list_architectures()[static_cast<std::size_t>(architecture)];
}

bool forks(Architecture architecture) noexcept {
  return architecture == prefork || architecture == process_per_connection;
}

bool serves_in_threads(Architecture architecture) noexcept {
  return architecture == thread_per_connection || architecture == thread_pool;
}

bool workers_are_places(Architecture architecture, std::string_view model) noexcept {
  return architecture == thread_pool || (architecture == prefork && !traits_of(model).has_loop);
}

Dials settle_dials(const ServerOptions& options) {
  Dials dials;
  dials.model = settle_model(options);
  dials.architecture = settle_architecture(options, usable_model(dials.model));
  check_loop_options(options, dials);
  check_background(options, dials);
  check_listening(options, dials);
  dials.workers = settle_workers(options, dials);
  dials.max_waiting = settle_waiting(options, dials);
  dials.accepting = settle_accepting(options, dials);
  dials.policy = settle_policy(options, dials);
  return dials;
}

}  // namespace polyio
