#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>
#include <polyio/drivers/registry.hpp>
#include <polyio/sched/kind.hpp>
#include <span>

#include "commands.hpp"

namespace polyio::app {
namespace {

// Those of the loops, where it has them: architectures loop, loops and prefork.
std::span<const std::string_view> policies_of(const ModelInfo& info) {
  return std::span(sched::kind_names).first(info.traits->has_loop ? sched::kind_names.size() : 1);
}

int print_json() {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const ModelInfo& info : list_models()) {
    nlohmann::ordered_json refusals = nlohmann::ordered_json::object();
    for (const auto& refusal : info.refusals) refusals[refusal.architecture] = refusal.reason;
    list.push_back({{"model", info.model},
                    {"waits", info.traits->waits},
                    {"system", info.traits->system},
                    {"available", info.available},
                    {"emulated", info.traits->emulated},
                    {"reason", info.reason},
                    {"limit", info.traits->limit.reason ? info.traits->limit.reason : ""},
                    {"has_loop", info.traits->has_loop},
                    {"polls", info.traits->polls},
                    {"architectures", info.architectures},
                    {"policies", policies_of(info)},
                    {"refusals", refusals}});
  }
  fmt::print("{}\n", list.dump(2));
  return 0;
}

// A row for each model, a column for each architecture; the reasons for what does not work follow.
int print_table() {
  const AutoChoice choice = choose_model();
  const auto architectures = list_architectures();
  fmt::print("{:<12} {:<9}", "MODEL", "AVAILABLE");
  for (const std::string_view name : architectures) fmt::print("  {}", name);
  fmt::print("\n");
  std::vector<std::string> remarks{fmt::format("auto: {} here, {}", choice.model, choice.why)};
  remarks.push_back(fmt::format("policy: {} under loop, loops and prefork; the rest has fcfs",
                                fmt::join(sched::kind_names, ", ")));
  for (const ModelInfo& info : list_models()) {
    const char* const missing = info.traits->emulated ? "emulated" : "no";
    std::string row = fmt::format("{:<12} {:<9}", info.model, info.available ? "yes" : missing);
    for (const std::string_view name : architectures) {
      const auto refused =
          std::ranges::find(info.refusals, name, &ModelInfo::Refusal::architecture);
      const bool fits = refused == info.refusals.end();
      row += fmt::format("  {:<{}}", fits ? "yes" : "-", name.size());
      if (!fits) remarks.push_back(fmt::format("{}, {}: {}", info.model, name, refused->reason));
    }
    row.erase(row.find_last_not_of(' ') + 1);
    fmt::print("{}\n", row);
    if (!info.available) remarks.push_back(fmt::format("{}: {}", info.model, info.reason));
  }
  fmt::print("\n{}\n", fmt::join(remarks, "\n"));
  return 0;
}

}  // namespace

void add_models(CLI::App& app, Run& run) {
  auto* command = app.add_subcommand(
      "models", "which I/O models work on this machine, under which architectures, and why not");
  auto json = std::make_shared<bool>(false);
  command->add_flag("--json", *json, "for programs");
  command->footer("Example:\n  polyio models --json");
  command->callback(
      [&run, json] { run = [json] { return *json ? print_json() : print_table(); }; });
}

}  // namespace polyio::app
