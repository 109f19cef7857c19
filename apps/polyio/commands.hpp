// The program's commands. Each adds itself to the command line and leaves what to run in `run`,
// whose result is the exit code: 0 done, 1 failed with the reason on stderr. (2: the command line
// was wrong.)
#pragma once

#include <functional>
#include <polyio/server/server.hpp>
#include <string>

namespace CLI {
class App;
}

namespace polyio::app {

using Run = std::function<int()>;

void add_chat(CLI::App& app, Run& run);
void add_echo(CLI::App& app, Run& run);
void add_connect(CLI::App& app, Run& run);
void add_models(CLI::App& app, Run& run);
void add_sched(CLI::App& app, Run& run);

// An option that takes a duration: "90s", "300ms", "2min". `span` must outlive the parsing.
void add_span(CLI::App& command, const std::string& name, Nanoseconds& span,
              const std::string& help);

// The options that every server command takes, with their help texts.
void add_server_options(CLI::App& command, ServerOptions& options);

// `--config FILE` of a command, which reads the options added after it, and its subcommand
// `check-config FILE`, which calls `check` then: it throws what is wrong with the options together.
void add_config(CLI::App& command, Run& run, std::function<void()> check);

}  // namespace polyio::app
