// Crowd: line clients that join a chat and stay. Says when all have joined and what memory that
// took, then does what its standard input asks for, one command a line, one JSON object as the
// answer to each: `say N` says N messages one after the other, each of which must reach all
// clients; `memory` reads the memory again. At the end of the input they all leave.
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>

#include "fanout.hpp"
#include "network.hpp"
#include "options.hpp"
#include "process.hpp"
#include "report.hpp"

namespace polyio::lab {
namespace {

constexpr std::int64_t sign_every = 1'000'000'000;  // nanoseconds between two signs of life

void print(const Json& json) {
  fmt::print("{}\n", json.dump());
  std::fflush(stdout);
}

class Crowd {
 public:
  explicit Crowd(const Options& options) : options_(options), fanout_(options) {
    if (options.pid == 0) throw std::invalid_argument("crowd needs --pid");
    if (options.connections < 2) throw std::invalid_argument("--connections: at least 2 here");
  }

  // The first client alone warms the server up: what it costs once is not counted.
  Json join() {
    fanout_.connect(1);
    std::this_thread::sleep_for(rest());
    const std::size_t with_one = descriptors_of(options_.pid);
    before_ = memory_of(options_.pid);
    own_before_ = memory_of(getpid());
    const std::int64_t start = now_ns();
    connect(start);
    accepted(with_one + options_.connections - 1);
    const std::int64_t took = now_ns() - start;
    Json json;
    json["joined"] = options_.connections;
    json["seconds"] = std::round(static_cast<double>(took) / 1e6) / 1000;
    std::this_thread::sleep_for(rest());
    add_growth(json);
    fanout_.synchronise();
    return json;
  }

  Json answer(const std::string& line) {
    std::istringstream words(line);
    std::string command;
    std::uint64_t count = 0;
    words >> command;
    if (command == "memory") {
      Json json;
      add_growth(json);
      return json;
    }
    if (command == "say" && words >> count && count > 0) return fanout_.measure(count);
    throw std::invalid_argument(fmt::format("no command {:?}: say N, memory", line));
  }

 private:
  std::chrono::duration<double> rest() const {
    return std::chrono::duration<double>(options_.warmup);
  }

  void connect(std::int64_t signed_at) {
    for (std::size_t i = 2; i <= options_.connections; ++i) {
      fanout_.connect(i);
      if (i % 64 != 0 || now_ns() - signed_at < sign_every) continue;
      signed_at = now_ns();
      print({{"connected", i}});
    }
  }

  void add_growth(Json& json) const {
    const std::size_t others = options_.connections - 1;
    add_memory(json, before_, memory_of(options_.pid), others);
    const std::int64_t own = memory_of(getpid()).private_dirty - own_before_.private_dirty;
    json["load_bytes_per_connection"] = own / static_cast<std::int64_t>(others);
  }

  void accepted(std::size_t descriptors) {
    if (wait_for_descriptors(options_.pid, descriptors, options_.patience)) return;
    throw std::runtime_error(fmt::format("after {} s the server has not accepted all {} clients",
                                         options_.patience, options_.connections));
  }

  const Options& options_;
  Fanout fanout_;
  Memory before_;      // the server's, with one client
  Memory own_before_;  // the load generator's
};

}  // namespace

void run_crowd(const Options& options) {
  Crowd crowd(options);
  print(crowd.join());
  for (std::string line; std::getline(std::cin, line);) print(crowd.answer(line));
}

}  // namespace polyio::lab
