#include "life.hpp"

#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <polyio/os/line_log.hpp>
#include <polyio/process/process.hpp>

#include "children.hpp"

namespace polyio::process {
namespace detail {
namespace {

struct Self {
  std::string name = "MainProcess";
  bool daemon = false;
};
// Never destroyed: asked until the end. Changed in a child that has one thread only.
Self& self() {
  static Self* const only = new Self;
  return *only;
}
std::atomic<unsigned> started{0};

}  // namespace

void become(std::string name, bool daemon) {
  self() = {std::move(name), daemon};
  started = 0;
}

bool is_daemon() noexcept { return self().daemon; }

std::string next_name() {
  const std::string number = std::to_string(++started);
  // Python's way: a child's children are Process-1:1, Process-1:2.
  if (self().name == "MainProcess") return "Process-" + number;
  return self().name + ":" + number;
}

int run_to_the_end(std::move_only_function<int()> body) noexcept {
  int code = 1;
  try {
    code = body();
  } catch (...) {
    os::write_exception_to_stderr(self().name);
  }
  end_program();
  flush_all();
  return code;
}

void flush_all() noexcept {
  try {
    std::cout.flush();
    std::clog.flush();
    // NOLINTNEXTLINE(bugprone-empty-catch): there is no one to report it to
  } catch (...) {
  }
  std::fflush(nullptr);
}

void end_program() noexcept {
  join_threads();
  end_children();
}

void at_end_of_program() {
  [[maybe_unused]] static const bool once = [] {
    if (std::atexit([] { end_program(); }) != 0) throw std::bad_alloc();
    return true;
  }();
}

}  // namespace detail

Current current_process() {
  return {detail::self().name, ::getpid(), ::getppid(), detail::is_daemon()};
}

}  // namespace polyio::process
