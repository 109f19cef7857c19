#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <polyio/os/unique_fd.hpp>
#include <polyio/process/state.hpp>
#include <span>
#include <utility>

namespace polyio::process {
namespace {

// A file of /proc/<pid>; ESRCH when the process is gone.
Result<std::string_view> read_file(pid_t pid, const char* name, std::span<char> into) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
  const os::UniqueFd file(::open(path, O_RDONLY | O_CLOEXEC));
  if (!file) return fail(errno == ENOENT ? ESRCH : errno);
  const ssize_t got = ::read(file.get(), into.data(), into.size());
  if (got < 0) return fail(errno);
  return std::string_view(into.data(), static_cast<std::size_t>(got));
}

std::uint64_t number_after(std::string_view text, std::string_view label) {
  std::uint64_t number = 0;
  auto at = text.find(label);
  if (at == std::string_view::npos) return 0;
  at = text.find_first_of("0123456789", at + label.size());
  if (at == std::string_view::npos) return 0;
  std::from_chars(text.data() + at, text.data() + text.size(), number);
  return number;
}

// Does its CPU clock go on while we look? The kernel brings the clock of a task that is on a CPU up
// to date for each reader.
bool computes(pid_t pid) noexcept {
  clockid_t clock;
  if (pid == ::getpid()) return true;
  if (::clock_getcpuclockid(pid, &clock) != 0) return false;
  timespec first{}, now{};
  if (::clock_gettime(clock, &first) != 0) return false;
  const TimePoint until = monotonic_now() + std::chrono::microseconds(20);
  do {
    if (::clock_gettime(clock, &now) != 0) return false;
    if (now.tv_nsec != first.tv_nsec || now.tv_sec != first.tv_sec) return true;
  } while (monotonic_now() < until);
  return false;
}

State state_for(char letter, pid_t pid) noexcept {
  switch (letter) {
    case 'R': return computes(pid) ? State::running : State::ready;
    case 'T':
    case 't': return State::stopped;
    case 'Z':
    case 'X': return State::terminated;
    default: return State::blocked;  // S, D, I: each waits for something
  }
}

using enum State;
// In the order of the enumeration; the bits of where an arrow leads.
constexpr unsigned bit(State state) { return 1u << std::to_underlying(state); }
constexpr std::array<unsigned, 6> arrows{
    bit(ready),                                                  // created
    bit(running) | bit(stopped) | bit(terminated),               // ready
    bit(ready) | bit(blocked) | bit(stopped) | bit(terminated),  // running
    bit(ready) | bit(stopped) | bit(terminated),                 // blocked
    bit(ready) | bit(blocked) | bit(terminated),                 // stopped
    0,                                                           // terminated
};

}  // namespace

std::string_view to_string(State state) noexcept {
  constexpr std::array<std::string_view, 6> names{"created", "ready",   "running",
                                                  "blocked", "stopped", "terminated"};
  return names[std::to_underlying(state)];
}

Result<Status> state_of(pid_t pid) {
  std::array<char, 4096> room;
  const auto status = read_file(pid, "status", room);
  if (!status) return fail(status.error());
  const auto at = status->find("\nState:\t");
  if (at == std::string_view::npos || at + 8 >= status->size()) return fail(ESRCH);
  Status now{};
  const char letter = (*status)[at + 8];
  now.voluntary = number_after(*status, "\nvoluntary_ctxt_switches:");
  now.involuntary = number_after(*status, "\nnonvoluntary_ctxt_switches:");
  const auto times = read_file(pid, "schedstat", room);
  if (!times) return fail(times.error());
  std::uint64_t cpu = 0;
  const auto end = std::from_chars(times->data(), times->data() + times->size(), cpu).ptr;
  now.cpu = Nanoseconds(cpu);
  now.waiting = Nanoseconds(number_after(
      std::string_view(end, static_cast<std::size_t>(times->data() + times->size() - end)), " "));
  now.state = state_for(letter, pid);
  return now;
}

bool is_legal(State from, State to) noexcept {
  return (arrows[std::to_underlying(from)] & bit(to)) != 0;
}

bool is_reachable(State from, State to) noexcept {
  unsigned seen = bit(from);
  for (std::size_t round = 0; round < arrows.size(); ++round) {
    for (std::size_t state = 0; state < arrows.size(); ++state) {
      if (seen >> state & 1) seen |= arrows[state];
    }
  }
  return (seen & bit(to)) != 0;
}

}  // namespace polyio::process
