// `polyio lab live`: a page whose dials are turned while a load runs.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <memory>
#include <optional>
#include <polyio/process/command.hpp>
#include <system_error>

#include "dials.hpp"
#include "http.hpp"
#include "lab/commands.hpp"
#include "lab/start.hpp"
#include "page.hpp"
#include "stage.hpp"

namespace polyio::lab {
namespace {

using namespace std::chrono_literals;

constexpr Nanoseconds look_interval = 50ms;
constexpr std::size_t most_browsers = 64;

struct Asked {
  std::string listen = "127.0.0.1:3997";
  std::vector<std::string> host_names;
  Json dials = Json::object();
  double every = 0.5;
  double seconds = 0;  // 0: until it is stopped
};

void say(std::string_view what) { fmt::print(stderr, "polyio lab live: {}\n", what); }

// The page's server, and the stage that it shows.
class Live {
 public:
  explicit Live(const Asked& asked)
      : asked_(asked),
        bounds_{list_models(), limits_of_this_machine()},
        signals_({SIGINT, SIGTERM}),
        page_({.page = live_page(),
               .policy = policy_of(live_page()),
               .host_names = asked.host_names,
               .greeting = [this] { return stage_->all(); },
               .obey = [this](std::string_view message) { obey(message); }}),
        server_(server_options(),
                [this](Io& io, Stream stream) { return page_.serve(io, std::move(stream)); }) {}

  // The exit code.
  int run() {
    wait_for_one_thread();
    const Settings settings = settings_for(false, 0, 0);
    warn_of_one_core(settings, "polyio lab live");
    const Json facts = machine();                 // before there is one core for this process
    (void)process::stay_on(settings.load_cores);  // beside the load, away from the server
    Stage::Options options{.machine = facts, .cores = settings, .every = asked_.every};
    stage_.emplace(std::move(options), first_position(asked_.dials, bounds_), bounds_,
                   [this](const Json& message) { page_.tell(message); });
    if (asked_.seconds > 0) {
      end_ = monotonic_now() + Nanoseconds(static_cast<std::int64_t>(asked_.seconds * 1e9));
    }
    server_.run();
    return signal_ == 0 ? 0 : 128 + signal_;
  }

 private:
  ServerOptions server_options() {
    ServerOptions options;
    options.listen = asked_.listen;
    options.model = choose_model().model;
    options.architecture = "loop";
    options.max_connections = most_browsers;
    options.drain_timeout = 1s;
    options.signals = false;  // they are looked at here
    options.on_ready = [](const Server& server) { announce(server); };
    options.background = {[this](Background& background) { return look(background); }};
    return options;
  }

  static void announce(const Server& server) {
    const std::string address = server.address().text();
    fmt::print("open http://{}/\n", address);
    std::fflush(stdout);
    if (address.starts_with("127.") || address.starts_with("[::1]")) return;
    say(fmt::format("all that reach {} can turn the dials; without --listen only this machine can",
                    address));
  }

  // Kept until the next look: of many messages the last position counts.
  void obey(std::string_view message) {
    wanted_ = turned(wanted_.value_or(stage_->position()), parse_turn(message), bounds_);
  }

  Task<> look(Background& background) {
    for (bool goes_on = true; goes_on;) {
      if (const auto wanted = std::exchange(wanted_, std::nullopt)) stage_->turn(*wanted);
      stage_->look();
      if (const int signal = signals_.next()) signal_ = signal;
      if (!stopped_ && (signal_ != 0 || monotonic_now() > end_)) {
        stopped_ = true;
        server_.stop();
      }
      const bool more = co_await background.pause(look_interval);
      goes_on = more;
    }
  }

  const Asked& asked_;
  const Bounds bounds_;
  os::SignalQueue signals_;
  PageServer page_;
  Server server_;
  std::optional<Stage> stage_;  // its processes end before the page does
  std::optional<Point> wanted_;
  Deadline end_ = never;
  int signal_ = 0;
  bool stopped_ = false;
};

int live(const Asked& asked) {
  try {
    if (asked.listen.starts_with("unix:") || asked.listen.starts_with("fd:")) {
      throw std::invalid_argument("a browser needs ADDRESS:PORT, such as 127.0.0.1:3997");
    }
    return Live(asked).run();
  } catch (const std::system_error& error) {
    if (error.code() != std::errc::address_in_use) {
      say(error.what());
    } else {
      say(
          fmt::format("{} is in use, maybe by another polyio lab live: end that, or take another "
                      "port: --listen 127.0.0.1:0 takes any",
                      asked.listen));
    }
  } catch (const std::exception& error) {
    say(error.what());
  }
  return 1;
}

// A dial's position at the beginning, checked with the others.
template <class T>
void add_dial(CLI::App& command, Asked& asked, const std::string& name, const char* type,
              const std::string& help) {
  command
      .add_option_function<T>(
          "--" + name, [&asked, name](const T& value) { asked.dials[name] = value; }, help)
      ->type_name(type);
}

void add_dials(CLI::App& command, Asked& asked) {
  add_dial<std::string>(command, asked, "model", "NAME",
                        "where the dials stand first: the I/O model [the best one here]");
  add_dial<std::string>(command, asked, "architecture", "NAME", "what runs it [the model's first]");
  add_dial<std::string>(command, asked, "policy", "NAME", "which connection goes next [fcfs]");
  add_dial<std::string>(command, asked, "handler", "HANDLER",
                        "what a request costs: echo, sleep:5ms, cpu:200us [echo]");
  add_dial<std::uint64_t>(command, asked, "connections", "N", "how many are open [100]");
  add_dial<std::uint64_t>(command, asked, "active", "N", "how many of them talk; 0: all [0]");
  add_dial<std::uint64_t>(command, asked, "size", "BYTES", "of a message [64]");
  add_dial<std::uint64_t>(command, asked, "depth", "N", "messages under way on each [1]");
  add_dial<double>(command, asked, "rate", "N",
                   "open loop: requests per second; 0: an answer brings the next request [0]");
}

}  // namespace

void add_live(CLI::App& lab, Action& run) {
  auto* command = lab.add_subcommand(
      "live", "a page on a local port: its dials are turned while a load runs, and figures move");
  auto asked = std::make_shared<Asked>();
  command->add_option("--listen", asked->listen, "where the page is; port 0: any free one")
      ->type_name("ADDRESS:PORT")
      ->capture_default_str();
  command
      ->add_option("--host", asked->host_names,
                   "a name by which browsers may reach it, besides IP addresses and localhost")
      ->type_name("NAME");
  add_dials(*command, *asked);
  command->add_option("--every", asked->every, "seconds from figure to figure")
      ->check(CLI::Range(0.05, 10.0))
      ->capture_default_str();
  command->add_option("--for", asked->seconds, "ends by itself after this many seconds [never]")
      ->check(CLI::Range(0.0, 1e6));
  command->footer(
      "Server and load are processes of their own; nothing but 127.0.0.1 is listened on, unless\n"
      "--listen says otherwise. Ctrl-C ends all of it. docs/lab.md says what the figures mean.\n"
      "Examples:\n"
      "  polyio lab live                                 then open http://127.0.0.1:3997/\n"
      "  polyio lab live --model poll --connections 1000 --active 10");
  command->callback([&run, asked] { run = [asked] { return live(*asked); }; });
}

}  // namespace polyio::lab
