// Terminal: shows what a server sends on a person's terminal, with a prompt to type at meanwhile.
// The rule: only printable text, tabs and line ends reach the terminal; the rest is shown as \xNN.
#pragma once

#include <memory>
#include <polyio/os/file.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace polyio::app {

using os::standard_input;
using os::standard_output;

// Makes a byte stream fit for a terminal. UTF-8 passes; control characters, invalid bytes and
// direction controls (base/text.hpp) become \xNN; a line may end with "\r\n".
class Printable {
 public:
  // What can be shown of the stream by now; the start of a character that is not whole yet waits.
  std::string take(std::string_view bytes);
  // What waits, because no more comes.
  std::string finish();

 private:
  std::string rest_;
};

// A prompt with line editing and the session's history, which keeps the line being typed whole
// while other text appears above it. The terminal is as it was before when the Prompt is gone. One
// at a time, used by one thread.
class Prompt {
 public:
  // Whether standard input and output are a terminal that can do it.
  static bool possible();

  Prompt();
  ~Prompt();

  struct Typed {
    std::vector<std::string> lines;  // UTF-8, without the line end
    bool ended = false;              // Ctrl-D on an empty line, or the terminal is gone
  };
  // Takes the keys that are there; when standard input is readable. Waits only for the rest of an
  // escape sequence, 100 ms at most.
  Typed read();
  // Shows whole lines above the prompt. They must be printable.
  void print(std::string_view lines);
  // Draws the prompt again: after the terminal changed its size, or a job was continued.
  void redraw();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace polyio::app
