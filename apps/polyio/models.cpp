#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <polyio/drivers/registry.hpp>

#include "commands.hpp"

namespace polyio::app {
namespace {

int print_json() {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const ModelInfo& info : list_models()) {
    list.push_back({{"model", info.model},
                    {"available", info.available},
                    {"reason", info.reason},
                    {"architectures", info.architectures}});
  }
  fmt::print("{}\n", list.dump(2));
  return 0;
}

int print_table() {
  const AutoChoice choice = choose_model();
  fmt::print("{:<10} {:<10} {:<32} {}\n", "MODEL", "AVAILABLE", "ARCHITECTURES", "REMARK");
  for (const ModelInfo& info : list_models()) {
    const std::string remark = info.model == choice.model ? "what auto takes here" : info.reason;
    fmt::print("{:<10} {:<10} {:<32} {}\n", info.model, info.available ? "yes" : "no",
               fmt::format("{}", fmt::join(info.architectures, ", ")), remark);
  }
  return 0;
}

}  // namespace

void add_models(CLI::App& app, Run& run) {
  auto* command =
      app.add_subcommand("models", "which I/O models work on this machine, and why not");
  auto json = std::make_shared<bool>(false);
  command->add_flag("--json", *json, "for programs");
  command->footer("Example:\n  polyio models --json");
  command->callback(
      [&run, json] { run = [json] { return *json ? print_json() : print_table(); }; });
}

}  // namespace polyio::app
