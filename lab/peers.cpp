#include "peers.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <stdexcept>

#include "child.hpp"

namespace polyio::lab {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t most_of_select = 1000;
constexpr auto peers = std::to_array<Peer>({
    {"hand-epoll", by_hand, "echo_epoll", "clang-19"},
    {"hand-io_uring", by_hand, "echo_uring", "liburing-dev"},
    {"hand-poll", by_hand, "echo_poll", "clang-19"},
    {.name = "hand-select",
     .architecture = by_hand,
     .file = "echo_select",
     .package = "clang-19",
     .most = most_of_select},
    {.name = "hand-threads",
     .architecture = by_hand,
     .file = "echo_threads",
     .package = "clang-19",
     .like = "blocking"},
    {"libuv", other_library, "echo_libuv", "libuv1-dev"},
    {"libevent", other_library, "echo_libevent", "libevent-dev"},
    {"libevent-bufferevent", other_library, "echo_bufferevent", "libevent-dev"},
    {"libev", other_library, "echo_libev", "libev-dev"},
    {"asio", other_library, "echo_asio", "libasio-dev"},
    {"asio-coroutine", other_library, "echo_asio_coroutine", "libasio-dev"},
    {"asio-io_uring", other_library, "echo_asio_uring", "libasio-dev"},
    {"go", other_library, "echo_go", "golang-go"},
    {"node", other_library, "echo_node.mjs", "nodejs", "node"},
    {"python-selectors", other_library, "echo_selectors.py", "python3", "python3"},
    {"python-asyncio", other_library, "echo_asyncio.py", "python3", "python3", "asyncio"},
    {"python-uvloop", other_library, "echo_asyncio.py", "python3-uvloop", "python3", "uvloop"},
});

// What the shell would take for `name`; empty: nothing.
std::string in_path(std::string_view name) {
  const char* const path = std::getenv("PATH");  // NOLINT(concurrency-mt-unsafe): only read
  std::istringstream folders(path ? path : "/usr/bin:/bin");
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::string file = fmt::format("{}/{}", folder, name);
    if (!folder.empty() && ::access(file.c_str(), X_OK) == 0) return file;
  }
  return {};
}

// Debian's own has Debian's modules; another one may come first in PATH.
std::string python_with(std::string_view module) {
  for (const std::string& python : {std::string("/usr/bin/python3"), in_path("python3")}) {
    if (python.empty() || ::access(python.c_str(), X_OK) != 0) continue;
    Child probe({.arguments = {"-c", fmt::format("import {}", module)}, .program = python});
    if (probe.wait(std::chrono::seconds(20)).code == 0) return python;
  }
  return {};
}

FoundPeer find(const Peer& wanted, const std::string& folder) {
  FoundPeer found{&wanted, {}, {}};
  const std::string file = fmt::format("{}/{}", folder, wanted.file);
  const bool script = !wanted.interpreter.empty();
  if (::access(file.c_str(), script ? R_OK : X_OK) != 0) {
    found.missing = fmt::format("there is no {}: install {} and build it, bench/peers does both",
                                wanted.file, wanted.package);
    return found;
  }
  if (script) {
    const std::string_view module = wanted.argument.empty() ? "selectors" : wanted.argument;
    found.program = {wanted.interpreter == "python3" ? python_with(module)
                                                     : in_path(wanted.interpreter)};
    if (found.program[0].empty()) {
      found.program.clear();
      found.missing = fmt::format("install {}", wanted.package);
      return found;
    }
  }
  found.program.push_back(file);
  if (!wanted.argument.empty()) {
    found.program.insert(found.program.end(), {"0", std::string(wanted.argument)});
  }
  return found;
}

// The rows of polyio's own.
bool is_measured(const Point& point) {
  return point.architecture == (point.model == "blocking" ? "thread-per-connection" : "loop");
}

Point point_of(const FoundPeer& found, const Point& like) {
  Point point = like;
  point.model = found.peer->name;
  point.architecture = found.peer->architecture;
  point.program = found.program;
  if (!found.missing.empty()) point.left_out = found.missing;
  if (point.left_out.empty() && point.connections > found.peer->most) {
    point.left_out = fmt::format("it holds no more than {} connections", grouped(found.peer->most));
  }
  return point;
}

}  // namespace

std::span<const Peer> all_peers() { return peers; }

std::vector<FoundPeer> find_peers(const std::string& folder, const std::vector<std::string>& only) {
  std::string names;
  for (const Peer& each : peers) names += fmt::format("{}{}", names.empty() ? "" : ", ", each.name);
  for (const std::string& name : only) {
    if (std::ranges::find(peers, name, &Peer::name) == peers.end()) {
      throw std::invalid_argument(fmt::format("--only: no peer {:?}: {}", name, names));
    }
  }
  std::vector<FoundPeer> found;
  for (const Peer& each : peers) {
    if (!only.empty() && std::ranges::find(only, each.name) == only.end()) continue;
    found.push_back(find(each, folder));
  }
  return found;
}

std::string usual_folder_of_peers() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  return (program.parent_path().parent_path().parent_path() / "bench").string();
}

std::vector<Point> plan_with_peers(Dials dials, std::span<const ModelInfo> models,
                                   const Limits& limits, std::span<const FoundPeer> found) {
  dials.models = {"epoll", "io_uring", "blocking"};
  dials.architectures = {"loop", "thread-per-connection"};
  std::vector<Point> plan = make_plan(dials, models, limits);
  std::erase_if(plan, [](const Point& point) { return !is_measured(point); });
  const std::vector<Point> own = plan;
  for (const FoundPeer& each : found) {
    for (const Point& point : own) {
      if (point.model == each.peer->like) plan.push_back(point_of(each, point));
    }
  }
  return plan;
}

}  // namespace polyio::lab
