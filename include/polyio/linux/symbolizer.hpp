// Symbolizer: from an address in this process to a function, a file and a line, by libdw from the
// debug information in the program and its libraries themselves; nothing is fetched and no other
// program is run. Takes milliseconds and memory: not for a loop's thread. Not thread-safe.
#pragma once

#include <memory>
#include <string>

namespace polyio::os {

struct Symbol {
  std::string function;  // readable; the innermost inlined one; empty: not known
  std::string within;    // the function that it was inlined into; empty: it was not
  std::string file;      // empty: no debug information
  int line = 0;
  // "burn(int) at examples/heavy_handler.cpp:31"; an address where nothing is known.
  std::string text;
};

class Symbolizer {
 public:
  Symbolizer();
  ~Symbolizer();
  // The symbol of the instruction at `address`; `returns`: that is a return address, so take the
  // call before it.
  Symbol at(const void* address, bool returns) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace polyio::os
