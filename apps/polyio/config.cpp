#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <polyio/base/text.hpp>
#include <set>

#include "commands.hpp"

namespace polyio::app {
namespace {

// Throws with the file's name before what is wrong.
[[noreturn]] void refuse(const std::string& file, std::string_view why) {
  throw CLI::ValidationError(escape_for_log(fmt::format("{}: {}", file, why)));
}

// The option's name, for flags that are "--no-NAME" on the command line, too.
CLI::Option& find_option(CLI::App& command, const CLI::ConfigItem& item, const std::string& file) {
  CLI::Option* const option = command.get_option_no_throw("--" + item.name);
  if (!option || !option->get_configurable()) {
    refuse(file, fmt::format("there is no setting '{}': see polyio {} --help", item.fullname(),
                             command.get_name()));
  }
  return *option;
}

void set(CLI::Option& option, const CLI::ConfigItem& item) {
  const bool flag = option.get_expected_min() == 0;
  if (flag && item.inputs != std::vector<std::string>{"true"} &&
      item.inputs != std::vector<std::string>{"false"}) {
    throw CLI::ValidationError("it is true or false");
  }
  if (flag) {
    option.add_result(option.get_flag_value(item.name, item.inputs[0]));
  } else {
    option.add_result(item.inputs);
  }
  option.run_callback();
}

// Sets the command's options to what is in the file. `all`: also those that are set already, by the
// command line or the environment.
void read_config(CLI::App& command, const std::string& file, bool all) {
  std::vector<CLI::ConfigItem> items;
  try {
    if (std::filesystem::is_directory(file)) refuse(file, "it is a folder");
    items = CLI::ConfigTOML().from_file(file);
  } catch (const CLI::FileError&) {
    refuse(file, "it can't be read");
  }
  std::set<std::string> seen;
  for (const CLI::ConfigItem& item : items) {
    if (!item.parents.empty()) {
      refuse(file, fmt::format("there are no sections, and no '{}'", item.parents[0]));
    }
    CLI::Option& option = find_option(command, item, file);
    if (!seen.insert(item.name).second) refuse(file, fmt::format("'{}' is there twice", item.name));
    // The reader cuts a value at a '#' in quotes, and goes on to the end for a bracket.
    if (fmt::format("{}", fmt::join(item.inputs, " ")).find('"') != std::string::npos) {
      refuse(file, fmt::format("{}: its quotes or brackets are wrong", item.name));
    }
    if (!option.empty() && !all) continue;
    option.clear();
    try {
      set(option, item);
    } catch (const CLI::Error& error) {
      refuse(file,
             fmt::format("{} = {}: {}", item.name, fmt::join(item.inputs, ", "), error.what()));
    }
  }
}

// What the command line's parser sees to before the file is read.
void check_needs(const CLI::App& command, const std::string& file) {
  for (const CLI::Option* option : command.get_options()) {
    for (const CLI::Option* needed : option->get_needs()) {
      if (option->empty() || !needed->empty()) continue;
      refuse(file,
             fmt::format("{} needs {}", option->get_single_name(), needed->get_single_name()));
    }
  }
}

int check_config(CLI::App& command, const std::string& file, const std::function<void()>& check) {
  try {
    read_config(command, file, true);
    check_needs(command, file);
    try {
      check();
    } catch (const std::exception& error) {
      refuse(file, error.what());
    }
    fmt::print("{} is right\n", escape_for_log(file));
    return 0;
  } catch (const CLI::Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}

}  // namespace

void add_config(CLI::App& command, Run& run, std::function<void()> check) {
  command
      .add_option_function<std::string>(
          "--config", [&command](const std::string& file) { read_config(command, file, false); },
          "a TOML file of these options: listen = \"127.0.0.1:3999\"; the command line and the "
          "environment win")
      ->type_name("FILE")
      ->configurable(false);
  auto* const checked =
      command.add_subcommand("check-config", "says whether a file for --config is right");
  const auto file = std::make_shared<std::string>();
  checked->add_option("file", *file, "the file")->required()->type_name("FILE");
  checked->footer(fmt::format("Example:\n  polyio {} check-config chat.toml", command.get_name()));
  checked->callback([&command, &run, file, check = std::move(check)] {
    run = [&command, file, check] { return check_config(command, *file, check); };
  });
}

}  // namespace polyio::app
