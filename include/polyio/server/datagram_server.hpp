// DatagramServer: runs a handler on one bound datagram socket (UDP or Unix) under the I/O model
// chosen when it starts. There are no connections, so there is one handler for all clients, in one
// loop; under the blocking model in the thread that calls run(). Stopping cancels what the handler
// waits for: it sees operation_canceled and returns.
#pragma once

#include <functional>
#include <memory>
#include <polyio/io/datagram.hpp>
#include <string>
#include <string_view>

namespace polyio {

using DatagramHandler = std::function<Task<>(Io&, Datagram)>;

struct DatagramServerOptions {
  std::string listen = "127.0.0.1:0";  // os::Address::parse; port 0: any free one
  std::string model = "auto";          // drivers/registry.hpp
  bool signals = true;                 // SIGINT and SIGTERM stop the server
  // Called on the thread that runs it, when it is about to serve.
  std::function<void(const class DatagramServer&)> on_ready;
};

class DatagramServer {
 public:
  // Binds the socket. Throws std::invalid_argument for an option that makes no sense (the text says
  // what to do) and std::system_error when it can't bind the address.
  DatagramServer(DatagramServerOptions options, DatagramHandler handler);
  ~DatagramServer();
  DatagramServer(const DatagramServer&) = delete;
  DatagramServer& operator=(const DatagramServer&) = delete;

  // Serves until stopped or until the handler returns; rethrows what it threw. Once.
  void run();
  // Thread-safe, also before and after run().
  void stop();

  const os::Address& address() const noexcept;
  // "listening on 127.0.0.1:8080 (epoll, datagrams)"
  std::string ready_line() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// Makes a server, prints its ready line to stdout, runs it; returns main's exit code: 0, or 1 with
// the reason on stderr.
int serve_datagrams(DatagramServerOptions options, DatagramHandler handler);

}  // namespace polyio
