// `polyio lab trace`.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <filesystem>
#include <memory>
#include <ranges>

#include "../commands.hpp"
#include "../report.hpp"
#include "../tracer.hpp"
#include "subject.hpp"
#include "trace.hpp"

namespace polyio::lab {
namespace {

struct Asked {
  std::vector<std::string> models, calls{"recv"};
  std::string svg, json, out;
  TraceSettings settings;
  unsigned wait_ms = 20;
  int marks = -1;  // of the traced process itself
  std::string server;
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

// In the order of the table; all of it: `all`.
std::vector<const Call*> calls_of(const std::vector<std::string>& names) {
  std::vector<const Call*> calls;
  for (const Call& call : traced_calls()) {
    const bool named = std::ranges::find(names, call.name) != names.end();
    if (named || std::ranges::find(names, "all") != names.end()) calls.push_back(&call);
  }
  return calls;
}

std::vector<Trace> record(const Asked& asked, const std::vector<ModelInfo>& models) {
  os::SignalQueue signals({SIGINT, SIGTERM, SIGCHLD});
  const std::vector<const Call*> calls = calls_of(asked.calls);
  std::vector<Trace> traces;
  for (const Call* const call : calls) {
    TraceSettings settings = asked.settings;
    settings.call = call;
    for (const ModelInfo& model : models) {
      const std::size_t all = calls.size() * models.size();
      if (all > 1) {
        say(fmt::format("{} of {}: {}, {}", traces.size() + 1, all, call->name, model.model));
      }
      traces.push_back(trace_model(model, settings, signals));
    }
  }
  return traces;
}

// The part of this command that is traced.
int be_traced(const Asked& asked) {
  const SharedMarks marks(asked.marks);
  run_subject(
      {asked.models.front(), find_call(asked.calls.front()), asked.settings.size, asked.server},
      *marks.get());
  return 0;
}

int trace(const Asked& asked) {
  const std::vector<Trace> traces = record(asked, chosen(asked.models));
  const auto traced = [](const Trace& one) { return one.left_out.empty(); };
  const std::string figure = svg_of(traces, asked.settings);
  Json document = json_of(traces, asked.settings);
  if (!asked.out.empty()) {
    Json whole = document;
    whole["svg"] = figure;
    std::filesystem::create_directories(asked.out);
    write_file(asked.out + "/trace.json", whole.dump(1) + "\n");
    write_report(asked.out);
    say(fmt::format("wrote {0}/trace.json; {0}/report.html shows it in a browser", asked.out));
  }
  const std::string json = document.dump(1) + "\n";
  if (asked.json == "-") {
    fmt::print("{}", json);
  } else {
    fmt::print("{}", text_of(traces, asked.settings));
    if (!asked.json.empty()) write_file(asked.json, json);
  }
  if (!asked.svg.empty()) write_file(asked.svg, figure);
  return std::ranges::any_of(traces, traced) ? 0 : 1;
}

}  // namespace

void add_trace(CLI::App& lab, Action& run) {
  auto* command = lab.add_subcommand(
      "trace", "one call of a model: what waits for the data, and what copies them");
  auto asked = std::make_shared<Asked>();
  command->add_option("--model", asked->models, "I/O models, see polyio models, or all")
      ->delimiter(',')
      ->type_name("NAME,...")
      ->required();
  std::vector<std::string> names{"all"};
  for (const Call& call : traced_calls()) names.emplace_back(call.name);
  command->add_option("--call", asked->calls, "which; recv is a server's, the others a program's")
      ->delimiter(',')
      ->check(CLI::IsMember(names))
      ->capture_default_str();
  command->add_option("--out", asked->out, "folder for trace.json, and for report.html with it")
      ->type_name("DIR");
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
  command->add_option("--marks", asked->marks, "of the traced process: memory, inherited")
      ->check(CLI::Range(3, 1 << 20))
      ->type_name("FD")
      ->group("");
  command->add_option("--server", asked->server)->group("");
  command->footer(
      "Each server is a process of its own, traced by ptrace(2). docs/lab.md says what is shown.\n"
      "Examples:\n"
      "  polyio lab trace --model epoll\n"
      "  polyio lab trace --model epoll,io_uring --call accept,send\n"
      "  polyio lab trace --model all --svg trace.svg --json trace.json\n"
      "  polyio lab trace --model all --call all --out lab");
  command->callback([&run, asked] {
    run = [asked] {
      asked->settings.wait = std::chrono::milliseconds(asked->wait_ms);
      try {
        return asked->marks < 0 ? trace(*asked) : be_traced(*asked);
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
