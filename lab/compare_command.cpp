// `polyio lab compare`: two files are read and compared.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <polyio/base/text.hpp>

#include "commands.hpp"
#include "compare.hpp"

namespace polyio::lab {
namespace {

constexpr int failed = 1, unusable = 2;

// Reads it, and says what it is.
Recorded load(std::string_view name, const std::string& path) {
  const std::string text = read_file(path);
  try {
    Recorded recorded = read_results(text);
    fmt::print("{}: {}, of {}{}\n", name, escape_for_log(path),
               escape_for_log(recorded.started, 25), recorded.complete ? "" : ", not complete");
    return recorded;
  } catch (const std::runtime_error& error) {
    throw std::runtime_error("can't compare " + path + ": " + error.what());
  }
}

int compare_files(const std::string& a, const std::string& b, const std::string& json) {
  int code = unusable;
  try {
    if (!json.empty() && std::filesystem::exists(std::filesystem::symlink_status(json))) {
      throw std::runtime_error(json + " is there already: --json takes another name");
    }
    const Recorded ours = load("A", a), theirs = load("B", b);
    code = failed;
    const Compared compared = compare(ours, theirs);
    fmt::print("{}", text_of(compared));
    if (!json.empty()) write_file(json, json_of(compared).dump(1) + "\n");
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "polyio lab compare: {}\n", escape_for_log(error.what(), 1000));
    return code;
  }
}

}  // namespace

void add_compare(CLI::App& lab, Action& run) {
  auto* command = lab.add_subcommand(
      "compare", "two results.json, of two machines or two commits: what differs, what is noise");
  struct Asked {
    std::string a, b, json;
  };
  auto asked = std::make_shared<Asked>();
  command->add_option("A", asked->a, "the results.json of a run")->required();
  command->add_option("B", asked->b, "that of another one")->required();
  command->add_option("--json", asked->json, "writes all of it there, as data")->type_name("FILE");
  command->footer(
      "Compare runs of the same options, of five rounds or more; docs/lab.md has the rule.\n"
      "Exit codes: 0, whether anything differs or not; 2 when a file can't be used.\n"
      "Example:\n"
      "  polyio lab run --quick --rounds 5 --out before\n"
      "  polyio lab run --quick --rounds 5 --out after\n"
      "  polyio lab compare before/results.json after/results.json");
  command->callback(
      [&run, asked] { run = [asked] { return compare_files(asked->a, asked->b, asked->json); }; });
}

}  // namespace polyio::lab
