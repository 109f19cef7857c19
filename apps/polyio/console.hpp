// Console: the chat server's own command line on standard input. `quit` stops the server, anything
// else lists the threads; the end of the input only ends the console. A thread of its own reads it.
#pragma once

#include <functional>
#include <polyio/os/wakeup.hpp>
#include <thread>

namespace polyio::app {

class Console {
 public:
  // Calls `on_quit`, from the console's thread.
  explicit Console(std::function<void()> on_quit);
  // Ends it, even while it waits.
  ~Console();

 private:
  void read();
  std::function<void()> on_quit_;
  os::Wakeup end_;
  std::thread thread_;
};

}  // namespace polyio::app
