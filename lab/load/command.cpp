// The load generator's command line: one mode per subcommand, one JSON object as the answer (of
// `crowd` one per step).
#include "lab/commands.hpp"

#include <fmt/format.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>

#include "network.hpp"
#include "options.hpp"

namespace polyio::lab {
namespace {

struct Command {
  Options options;
  std::string server;
  int cpu = -1;
};

void pin(int cpu) {
  if (cpu < 0) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<std::size_t>(cpu), &set);
  if (sched_setaffinity(0, sizeof set, &set) != 0) fail("--cpu");
}

void raise_limits() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  prctl(PR_SET_TIMERSLACK, 1);
}

CLI::App* add_mode(CLI::App& app, Command& command, const char* name, const char* what) {
  Options& options = command.options;
  CLI::App* mode = app.add_subcommand(name, what);
  mode->add_option("--server", command.server, "where it listens: 127.x.x.x only")
      ->type_name("ADDRESS:PORT")
      ->required();
  mode->add_option("--pid", options.pid, "the server's process: its CPU time or memory is read");
  mode->add_option("--cpu", command.cpu, "the core the generator stays on");
  mode->add_option("--connections", options.connections, "connections, or receivers")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  mode->add_option("--size", options.size, "bytes of a message")
      ->check(CLI::Range(1, 16 << 20))
      ->capture_default_str();
  mode->add_option("--warmup", options.warmup,
                   "seconds before the measured span; idle, crowd: rest before memory is read")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  mode->add_option("--patience", options.patience, "give up after this many seconds of silence")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  return mode;
}

void add_span(CLI::App& mode, Options& options) {
  mode.add_option("--seconds", options.seconds, "how long to measure")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  mode.add_option("--requests", options.requests, "stop after this many messages instead");
  mode.add_flag("--spin", options.spin, "the generator polls instead of sleeping");
}

void add_depth(CLI::App& mode, Options& options, const std::string& names, const char* what) {
  mode.add_option(names, options.depth, what)->check(CLI::Range(1, 65536))->capture_default_str();
}

void add_echo(CLI::App& app, Command& command) {
  Options& options = command.options;
  CLI::App* echo = add_mode(app, command, "echo", "messages to an upper-casing server");
  add_span(*echo, options);
  add_depth(*echo, options, "--depth", "messages outstanding per connection");
  echo->add_option("--active", options.active, "only this many connections talk [all]");
  echo->add_option("--rate", options.rate,
                   "open loop: messages per second, latency from when one fell due [closed loop]")
      ->check(CLI::NonNegativeNumber);
  echo->add_option("--every", options.every,
                   "prints an object every SECONDS, instead of one at the end")
      ->check(CLI::Range(0.01, 3600.0));
  echo->add_flag("--memory", options.memory, "reads the server's memory per connection, too");
  echo->add_flag("--halt", options.halt,
                 "stops itself (SIGSTOP) before the measured span and after it, for a tracer");
}

void add_fanout(CLI::App& app, Command& command) {
  Options& options = command.options;
  CLI::App* fanout = add_mode(app, command, "fanout", "one sends, all receive");
  add_span(*fanout, options);
  add_depth(*fanout, options, "--inflight", "messages of a sender under way");
  fanout->add_option("--senders", options.senders, "connections that say something")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  fanout->add_option("--protocol", options.protocol, "lines, chat, redis, ws, chat-ws")
      ->capture_default_str();
}

void add_others(CLI::App& app, Command& command) {
  Options& options = command.options;
  CLI::App* connect = add_mode(app, command, "connect", "connect, one message, close, again");
  add_span(*connect, options);

  CLI::App* idle = add_mode(app, command, "idle", "memory per idle connection");
  idle->add_flag("!--untouched", options.touch, "without the one message each exchanges first");

  CLI::App* crowd = add_mode(app, command, "crowd",
                             "clients of a chat join and stay; stdin: `say N`, `memory`, the end");
  crowd->add_option("--protocol", options.protocol, "lines, chat")
      ->check(CLI::IsMember({"lines", "chat"}))
      ->capture_default_str();
}

void load(const std::string& mode, Command& command) {
  Options& options = command.options;
  options.server = parse_server(command.server);
  raise_limits();
  pin(command.cpu);
  if (mode == "crowd") return run_crowd(options);
  Json json;
  if (mode == "echo") json = run_echo(options);
  if (mode == "fanout") json = run_fanout(options);
  if (mode == "connect") json = run_connect(options);
  if (mode == "idle") json = run_idle(options);
  if (!json.is_null()) fmt::print("{}\n", json.dump());
}

}  // namespace

void add_load(CLI::App& lab, Action& run) {
  CLI::App* app = lab.add_subcommand(
      "load", "loads a server on 127.x, checks every byte it answers, prints one JSON object");
  app->require_subcommand(1);
  app->footer(
      "Example:\n"
      "  polyio lab load echo --server 127.0.0.1:8080 --pid 4711 --cpu 1 --connections 50\n"
      "  polyio lab load echo --server 127.0.0.1:8080 --every 0.5 --seconds 60\n"
      "  polyio lab load fanout --server 127.0.0.1:3999 --protocol chat --connections 1000\n"
      "  echo say 5 | polyio lab load crowd --server 127.0.0.1:3999 --pid 4711 --protocol chat "
      "--connections 9000");
  auto command = std::make_shared<Command>();
  add_echo(*app, *command);
  add_fanout(*app, *command);
  add_others(*app, *command);
  for (CLI::App* mode : app->get_subcommands({})) {
    mode->callback([&run, command, name = mode->get_name()] {
      run = [command, name] {
        try {
          load(name, *command);
          return 0;
        } catch (const std::exception& error) {
          fmt::print(stderr, "polyio lab load: {}\n", error.what());
          return 1;
        }
      };
    });
  }
}

}  // namespace polyio::lab
