// Console: the chat server's own command line on standard input. `quit` stops the server, anything
// else lists the threads; the end of the input only ends the console. A thread of its own reads it;
// when its log is not read, it prints less and goes on.
#pragma once

#include <functional>
#include <polyio/os/line_log.hpp>
#include <polyio/os/wakeup.hpp>
#include <polyio/proto/line.hpp>
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
  void list_threads();
  bool take(proto::LineReader& reader, std::span<const std::byte> bytes);
  void prompt();
  std::function<void()> on_quit_;
  os::LineLog output_;
  os::Wakeup end_;
  std::thread thread_;
};

}  // namespace polyio::app
