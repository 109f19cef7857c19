#include "dials.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <polyio/base/assert.hpp>
#include <polyio/drivers/registry.hpp>
#include <stdexcept>
#include <thread>

namespace polyio {
namespace {

template <class Words>
std::string join(const Words& words) {
  return fmt::format("{}", fmt::join(words, ", "));
}

template <class... Parts>
[[noreturn]] void refuse(fmt::format_string<Parts...> text, Parts&&... parts) {
  throw std::invalid_argument(fmt::format(text, std::forward<Parts>(parts)...));
}

// What keeps a server of connections that meet in memory from this architecture, or nothing.
std::string_view apart(std::string_view architecture) noexcept {
  if (architecture == "iterative") return "one connection is served at a time";
  if (architecture == "prefork" || architecture == "process-per-connection") {
    return "each process has a memory of its own";
  }
  return {};
}

// Of a model that is settled.
const ModelTraits& traits_of(const ServerOptions& options) noexcept {
  const ModelTraits* const row = find_model(options.model);
  POLYIO_ASSERT(row);
  return *row;
}

void settle_model(ServerOptions& options) {
  if (options.model == "auto") {
    const AutoChoice choice = choose_model();
    options.log(fmt::format("model: {} ({})", choice.model, choice.why));
    options.model = choice.model;
  }
  const ModelInfo info = usable_model(options.model);
  if (options.architecture.empty()) options.architecture = info.architectures.front();
  const auto known = list_architectures();
  if (std::ranges::find(known, options.architecture) == known.end()) {
    refuse("unknown architecture {}; there are {}", options.architecture, join(known));
  }
  auto fit = info.architectures;
  if (options.one_process)
    std::erase_if(fit, [](const auto& name) { return !apart(name).empty(); });
  for (const auto& refusal : info.refusals) {
    if (refusal.architecture != options.architecture) continue;
    refuse("architecture {} does not go with model {}: {}; use {}", options.architecture,
           info.model, refusal.reason, join(fit));
  }
  if (const auto why = apart(options.architecture); options.one_process && !why.empty()) {
    refuse("architecture {} can't serve connections that meet in memory: {}; use {}",
           options.architecture, why, join(fit));
  }
  if (options.spin > Nanoseconds::zero()) {
    if (!info.traits->has_loop) {
      refuse("model {} can't spin: it has no loop that waits", info.model);
    }
    if (info.traits->polls) refuse("model {} can't spin: it always does", info.model);
  }
  if (options.poll_interval > Nanoseconds::zero() && !info.traits->polls) {
    std::vector<std::string_view> polling;
    for (const ModelTraits& row : model_table()) {
      if (row.polls) polling.push_back(row.name);
    }
    refuse("a poll interval is for model {}; {} doesn't poll", join(polling), info.model);
  }
  const std::string& name = options.architecture;
  const bool loops = name == "loop" || name == "loops" || name == "prefork";
  if (options.watchdog > Nanoseconds::zero() && (!loops || !info.traits->has_loop)) {
    refuse("a watchdog looks after loops that many connections share; {} with model {} has none",
           name, options.model);
  }
}

void settle_workers(ServerOptions& options) {
  const std::string& name = options.architecture;
  if (options.workers > 1024) refuse("at most 1024 workers");
  if (options.workers == 0) {
    options.workers = std::max(1u, std::thread::hardware_concurrency());
    if (workers_are_places(options)) options.workers = name == "thread-pool" ? 64 : 16;
  }
  const bool alone = name == "loop" || name == "iterative" || name == "thread-per-connection";
  if (alone) options.workers = 1;
  if (options.max_connections == 0 || !(workers_are_places(options) || name == "prefork")) return;
  // More workers than connections at once would never have anything to do.
  options.workers =
      static_cast<unsigned>(std::min<std::size_t>(options.workers, options.max_connections));
}

void settle_waiting(ServerOptions& options) {
  if (workers_are_places(options)) {
    if (!options.max_waiting) options.max_waiting = 128;
  } else if (options.max_waiting && options.architecture == "iterative") {
    refuse(
        "nobody is accepted to wait under architecture iterative, which does one thing at a time; "
        "the backlog is where they wait");
  } else if (options.max_waiting && options.max_connections == 0) {
    refuse("max-waiting needs max-connections: without a ceiling nobody has to wait");
  }
}

void settle_accepting(ServerOptions& options) {
  const std::string& how = options.accepting;
  if (!how.empty() && how != "hand-over" && how != "shared" && how != "reuseport") {
    refuse("unknown way of accepting {}; there are hand-over, shared, reuseport", how);
  }
  if (!how.empty() && options.architecture != "loops") {
    refuse("accepting {} is for architecture loops; under {} there is one way only", how,
           options.architecture);
  }
  if (how == "reuseport" && options.listen.starts_with("unix:")) {
    refuse("a Unix socket has one queue only: use --accepting shared or hand-over");
  }
  const std::string_view unshared = traits_of(options).unshared_listener;
  if (how == "shared" && !unshared.empty()) {
    refuse("{}: use --accepting hand-over or reuseport", unshared);
  }
  if (how.empty()) options.accepting = "hand-over";
}

}  // namespace

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

bool workers_are_places(const ServerOptions& options) noexcept {
  return options.architecture == "thread-pool" ||
         (options.architecture == "prefork" && !traits_of(options).has_loop);
}

bool forks(const ServerOptions& options) noexcept {
  return options.architecture == "prefork" || options.architecture == "process-per-connection";
}

void settle_dials(ServerOptions& options) {
  settle_model(options);
  settle_workers(options);
  settle_waiting(options);
  settle_accepting(options);
}

}  // namespace polyio
