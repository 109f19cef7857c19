// Progress: where a long measurement is and how long it will take, on standard error: one line,
// redrawn, on a terminal; else a line every few seconds. What is left is estimated from what was
// foreseen, corrected by how long the finished part took.
#pragma once

#include <polyio/base/clock.hpp>
#include <string>
#include <string_view>

namespace polyio::lab {

class Progress {
 public:
  // `foreseen`: seconds in all; `command`: "polyio lab run ...", of which a line that stays has the
  // first three words.
  Progress(double foreseen, std::string_view command);
  ~Progress() { erase(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void step(std::string_view what);
  // What was foreseen to take `seconds` is over.
  void done(double seconds);
  // A line that stays.
  void say(std::string_view text);
  double seconds_left() const;

 private:
  void erase();

  std::string name_;
  double foreseen_, done_ = 0;
  bool terminal_, drawn_ = false;
  Deadline begun_, said_;
};

// "45 s", "3 min".
std::string rough(double seconds);

}  // namespace polyio::lab
