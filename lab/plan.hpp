// The plan of `polyio lab run`: the dials as they were asked for, and a point for each combination
// of them. What does not go together has a point too, which says why it is left out.
#pragma once

#include <compare>
#include <cstdint>
#include <polyio/drivers/registry.hpp>
#include <span>
#include <string>
#include <vector>

namespace polyio::lab {

// Empty: what make_plan() takes instead.
struct Dials {
  std::vector<std::string> models, architectures, handlers{"echo"};
  std::vector<std::size_t> connections, active{100}, size{64}, depth{1};
  std::vector<double> rate{0};
  bool quick = false;
};

// The architectures of what is not polyio's: another library, or a loop written by hand.
inline constexpr std::string_view other_library = "peer", by_hand = "hand-written";

struct Point {
  std::string model, architecture, handler;
  std::size_t connections = 1;
  std::size_t active = 1;  // how many of them talk
  std::size_t size = 64;   // bytes of a message
  std::size_t depth = 1;   // messages outstanding on each
  double rate = 0;         // open loop: requests per second; 0: closed loop
  std::string left_out;    // why it is not measured
  unsigned workers = 0;    // that the server is asked for; 0: what the architecture takes
  bool connects = false;   // closed loop: a connection is closed when its message is answered, and
                           // the next one opened
  std::int64_t poll_interval_us = 0;  // as of polyio echo
  std::string policy;                 // of its loops; empty: fcfs
  std::vector<std::string> program;   // another server's command line; empty: `polyio lab serve`
  auto operator<=>(const Point&) const = default;
};

// A program that prints one JSON object of figures on one line, and ends: `polyio lab work ...`, or
// one in another language.
struct Trial {
  std::string name;                    // for those that look on: "20 threads that compute"
  std::vector<std::string> arguments;  // behind the program's name
  std::vector<int> cores{};            // it may use; empty: all
  std::string program = "/proc/self/exe";
  double seconds = 1;  // it takes, roughly
  bool operator==(const Trial&) const = default;
};

// What this machine allows.
struct Limits {
  std::size_t descriptors = 1024;     // in a process
  std::uint64_t memory = 1ull << 62;  // bytes that are free
};
Limits limits_of_this_machine();

// Every combination once, in the order of the registry. Models not asked for by name are those of
// this system; architectures all, and with `quick` the model's first, and all of the best model.
// Throws std::invalid_argument for a name that does not exist, or when nothing is left to measure.
std::vector<Point> make_plan(const Dials& dials, std::span<const ModelInfo> models,
                             const Limits& limits);

// Why a point can't be measured here; empty: it can. Throws std::invalid_argument for a model that
// does not exist.
std::string why_left_out(const Point& point, std::span<const ModelInfo> models,
                         const Limits& limits);
// How many workers its server is to be asked for; 0: what the architecture takes.
unsigned workers_for(const Point& point, std::span<const ModelInfo> models);

// "epoll, loop, 100 connections", with what differs from the usual.
std::string name_of(const Point& point);
// The dials but model and architecture: "at 100 connections, 10 of them active, sleep:5ms".
std::string load_of(const Point& point);
// "12,345".
std::string grouped(std::uint64_t number);

// Whether it has several threads or processes, for several cores.
bool spreads(std::string_view architecture);
// Whether it is not polyio's.
bool is_foreign(std::string_view architecture);

}  // namespace polyio::lab
