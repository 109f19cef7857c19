// `polyio lab serve` and `polyio lab calls`: the processes that a run starts, beside the load.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <memory>

#include "commands.hpp"
#include "engine.hpp"
#include "handlers.hpp"
#include "serving.hpp"

namespace polyio::lab {
namespace {

constexpr unsigned counting_seconds = 140;  // then it ends, and what it has started with it

void add_server(CLI::App& command, Point& point) {
  command.add_option("--model", point.model, "the I/O model, see polyio models");
  command.add_option("--architecture", point.architecture, "what runs it [the model's first]");
  command
      .add_option("--handler", point.handler,
                  "what a message costs: echo, sleep:5ms (it waits), cpu:200us (it computes), "
                  "offload:200us (a thread of a pool computes); cpu:20ms/400: one of 400 messages")
      ->check(CLI::Validator(
          [](const std::string& text) {
            try {
              (void)parse_work(text);
              return std::string();
            } catch (const std::invalid_argument& error) {
              return std::string(error.what());
            }
          },
          "HANDLER"))
      ->capture_default_str();
  command.add_option("--size", point.size, "bytes of a message")
      ->check(CLI::Range(1, 16 << 20))
      ->capture_default_str();
  command.add_option("--workers", point.workers, "as of polyio echo")->check(CLI::Range(1, 1024));
  command
      .add_option_function<std::string>(
          "--poll-interval",
          [&point](const std::string& text) {
            const auto span = parse_time(text);
            if (!span) throw CLI::ValidationError("--poll-interval", "give a time such as 10ms");
            point.poll_interval_us = *span / std::chrono::microseconds(1);
          },
          "as of polyio echo")
      ->type_name("TIME");
  command.add_option("--policy", point.policy, "as of polyio echo [fcfs]");
}

struct Serving {
  Point point{.model = {}, .architecture = {}, .handler = "echo", .left_out = {}, .policy = {}};
  std::string listen = "127.0.0.1:0";
  int marks_fd = -1;
  bool console = false;
};

int serve_point(const Serving& asked) {
  const Point& point = asked.point;
  ServerOptions options;
  options.listen = asked.listen;
  options.model = point.model;
  options.architecture = point.architecture;
  options.workers = point.workers;
  options.poll_interval = std::chrono::microseconds(point.poll_interval_us);
  options.policy = point.policy;
  const Work work = parse_work(point.handler);
  if (asked.console) {
    return serve_with_console("lab serve", options, make_handler(work, point.size));
  }
  if (asked.marks_fd < 0) return serve(options, make_handler(work, point.size));
  const SharedMarks marks(asked.marks_fd);
  marks->empty_call = cost_of_a_call().count();
  return serve(options, make_handler(work, point.size, marks.get()));
}

int count_calls(const Point& point, std::uint64_t requests) {
  ::alarm(counting_seconds);
  try {
    if (point.model.empty() == point.program.empty()) {
      throw std::invalid_argument("either --model is needed, or -- and a server's command line");
    }
    const Calls calls = calls_per_request(point, requests);
    double sum = 0;
    for (const auto& [name, count] : calls) sum += count;
    Json json;
    json["system_calls_per_request"] = std::round(sum * 1000) / 1000;
    json["system_calls"] = calls;
    fmt::print("{}\n", json.dump());
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "polyio lab calls: {}\n", error.what());
    return 1;
  }
}

}  // namespace

void add_serve(CLI::App& lab, Action& run) {
  auto* command = lab.add_subcommand(
      "serve", "a server that answers in upper case, after work of a known length");
  auto asked = std::make_shared<Serving>();
  add_server(*command, asked->point);
  command->add_option("--listen", asked->listen, "as of polyio echo")->capture_default_str();
  command->add_option("--marks", asked->marks_fd, "memory of polyio lab trace, inherited")
      ->check(CLI::Range(3, 1 << 20))
      ->type_name("FD");
  command->add_flag("--console", asked->console,
                    "takes lines on standard input, as polyio echo does: model NAME, quit");
  command->get_option("--model")->required();
  command->footer("Example:\n  polyio lab serve --model epoll --handler sleep:5ms");
  command->callback([&run, asked] {
    run = [asked] {
      try {
        return serve_point(*asked);
      } catch (const std::exception& error) {
        fmt::print(stderr, "polyio lab serve: {}\n", error.what());
        return 1;
      }
    };
  });
}

void add_calls(CLI::App& lab, Action& run) {
  auto* command = lab.add_subcommand(
      "calls", "the system calls that a server makes per message, counted by ptrace(2)");
  auto point = std::make_shared<Point>(Serving().point);
  auto requests = std::make_shared<std::uint64_t>(200);
  add_server(*command, *point);
  command->add_option("--connections", point->connections)
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  command->add_option("--active", point->active, "how many of them talk; 0: all")
      ->check(CLI::Range(0, 1'000'000))
      ->capture_default_str();
  command->add_option("--depth", point->depth, "messages outstanding on each")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  command
      ->add_option("--requests", *requests,
                   "messages that are counted, between those of connecting and of closing")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  command
      ->add_option("program", point->program,
                   "behind --: another server that answers in upper case, with its arguments; its "
                   "first line is \"listening on 127.0.0.1:PORT ...\"")
      ->type_name("PROGRAM...");
  command->footer(
      "Example:\n  polyio lab calls --model blocking\n"
      "  polyio lab calls --connections 10 -- /usr/bin/python3 bench/servers/echo_selectors.py\n"
      "  polyio lab calls --model epoll --architecture loop --connections 100 --active 50");
  command->callback([&run, point, requests] {
    run = [point, requests] { return count_calls(*point, *requests); };
  });
}

}  // namespace polyio::lab
