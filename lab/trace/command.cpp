// `polyio lab trace`.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <memory>
#include <ranges>

#include "../commands.hpp"
#include "../tracer.hpp"
#include "trace.hpp"

namespace polyio::lab {
namespace {

struct Asked {
  std::vector<std::string> models;
  std::string svg, json;
  TraceSettings settings;
  unsigned wait_ms = 20;
};

void say(std::string_view what) { fmt::print(stderr, "polyio lab trace: {}\n", what); }

// In the order of the registry's table, the simplest first; `all`: those of this system.
std::vector<ModelInfo> chosen(const std::vector<std::string>& names) {
  std::vector<ModelInfo> models = list_models(), all;
  for (ModelInfo& model : std::views::reverse(models)) {
    const bool named = std::ranges::find(names, model.model) != names.end();
    const bool meant = std::ranges::find(names, "all") != names.end() && !model.traits->emulated;
    if (named || meant) all.push_back(model);
  }
  for (const std::string& name : names) {
    if (name != "all" && !find_model(name)) {
      throw std::invalid_argument("no model " + name + ": see polyio models, or take all");
    }
  }
  return all;
}

std::vector<Trace> record(const Asked& asked, const std::vector<ModelInfo>& models) {
  os::SignalQueue signals({SIGINT, SIGTERM, SIGCHLD});
  std::vector<Trace> traces;
  for (const ModelInfo& model : models) {
    if (models.size() > 1)
      say(fmt::format("{} of {}: {}", traces.size() + 1, models.size(), model.model));
    traces.push_back(trace_model(model, asked.settings, signals));
  }
  return traces;
}

int trace(const Asked& asked) {
  const std::vector<Trace> traces = record(asked, chosen(asked.models));
  const auto traced = [](const Trace& one) { return one.left_out.empty(); };
  const std::string json = json_of(traces, asked.settings).dump(1) + "\n";
  if (asked.json == "-") {
    fmt::print("{}", json);
  } else {
    fmt::print("{}", text_of(traces, asked.settings));
    if (!asked.json.empty()) write_file(asked.json, json);
  }
  if (!asked.svg.empty()) write_file(asked.svg, svg_of(traces, asked.settings));
  return std::ranges::any_of(traces, traced) ? 0 : 1;
}

}  // namespace

void add_trace(CLI::App& lab, Action& run) {
  auto* command = lab.add_subcommand(
      "trace", "one request through a model: what waits for the data, and what copies them");
  auto asked = std::make_shared<Asked>();
  command->add_option("--model", asked->models, "I/O models, see polyio models, or all")
      ->delimiter(',')
      ->type_name("NAME,...")
      ->required();
  command->add_option("--svg", asked->svg, "writes the figure, all models on one scale")
      ->type_name("FILE");
  command->add_option("--json", asked->json, "writes what was recorded; -: to standard output")
      ->type_name("FILE");
  command->add_option("--wait", asked->wait_ms, "ms for which the server waits for a message")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_option("--size", asked->settings.size, "bytes of a message")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  command
      ->add_option("--requests", asked->settings.requests, "the one with the median time is kept")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->footer(
      "Each server is a process of its own, traced by ptrace(2). docs/lab.md says what is shown.\n"
      "Examples:\n"
      "  polyio lab trace --model epoll\n"
      "  polyio lab trace --model all --svg trace.svg --json trace.json");
  command->callback([&run, asked] {
    run = [asked] {
      asked->settings.wait = std::chrono::milliseconds(asked->wait_ms);
      try {
        return trace(*asked);
      } catch (const Interrupted& interrupted) {
        say("stopped");
        return 128 + interrupted.signal;
      } catch (const std::exception& error) {
        say(error.what());
        return 1;
      }
    };
  });
}

}  // namespace polyio::lab
