// Console: a server's own command line on standard input. `quit` stops the server, `model NAME`
// changes its I/O model, anything else lists the threads; the end of the input only ends the
// console. A thread of its own reads it; when its output is not read, it prints less and goes on.
#pragma once

#include <polyio/os/line_log.hpp>
#include <polyio/os/wakeup.hpp>
#include <polyio/proto/line.hpp>
#include <polyio/server/server.hpp>
#include <thread>

namespace polyio::lab {

class Console {
 public:
  // Uses the server from a thread of its own.
  explicit Console(Server& server);
  // Ends it, even while it waits.
  ~Console();

 private:
  void read();
  void list_threads();
  void change_model(std::string_view name);
  bool obey(std::string_view line);
  bool take(proto::LineReader& reader, std::span<const std::byte> bytes);
  void prompt();
  Server& server_;
  os::LineLog output_;
  os::Wakeup end_;
  std::thread thread_;
};

}  // namespace polyio::lab
