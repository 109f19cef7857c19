#include "progress.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <polyio/os/file.hpp>

namespace polyio::lab {

using namespace std::chrono_literals;

std::string rough(double seconds) {
  if (seconds < 100) return fmt::format("{:.0f} s", std::max(seconds, 1.0));
  if (seconds < 100 * 60) return fmt::format("{:.0f} min", seconds / 60);
  return fmt::format("{:.1f} h", seconds / 3600);
}

Progress::Progress(double foreseen, std::string_view command)
    : name_(command),
      foreseen_(foreseen),
      terminal_(os::is_terminal(os::standard_error)),
      begun_(monotonic_now()),
      said_(begun_ - 1h) {
  std::size_t end = 0;
  for (int word = 0; word < 3 && end != name_.npos; ++word) end = name_.find(' ', end + 1);
  name_.resize(std::min(end, name_.size()));
}

double Progress::seconds_left() const {
  const double took = std::chrono::duration<double>(monotonic_now() - begun_).count();
  // The first few say little about the rest.
  const double pace = done_ < 3 ? 1 : std::clamp(took / done_, 0.2, 20.0);
  return std::max(0.0, (foreseen_ - done_) * pace);
}

void Progress::step(std::string_view what) {
  const Deadline now = monotonic_now();
  if (!terminal_ && now - said_ < 5s) return;
  said_ = now;
  const std::string line = fmt::format("{}; {} left", what, rough(seconds_left()));
  if (!terminal_) return say(line);
  fmt::print(stderr, "\r\x1b[K{:.{}}", line, 100);
  std::fflush(stderr);
  drawn_ = true;
}

void Progress::done(double seconds) { done_ += seconds; }

void Progress::say(std::string_view text) {
  erase();
  fmt::print(stderr, "{}: {}\n", name_, text);
}

void Progress::erase() {
  if (drawn_) fmt::print(stderr, "\r\x1b[K");
  drawn_ = false;
}

}  // namespace polyio::lab
