// Server: runs a connection handler under the three dials, chosen when it starts: the I/O model,
// the architecture and, later, the policy. The handler is an ordinary coroutine and can't tell
// which. A handler that throws costs its own connection only. Stopping is graceful: no more is
// accepted, handlers see the end of file once they have received what is there, and what still runs
// after the drain time is cut and counted.
//
// Architectures: loop (one event loop, in the thread that calls run), loops (one per worker; the
// first accepts and hands each connection to the loop that has the fewest), thread-per-connection
// (blocking model).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <polyio/io/stream.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace polyio {

using Handler = std::function<Task<>(Io&, Stream)>;

struct ServerOptions {
  std::string listen = "127.0.0.1:0";  // os::Address::parse; port 0: any free one; unix:PATH
  std::string model = "auto";          // drivers/registry.hpp
  std::string architecture;            // empty: the model's first
  unsigned workers = 0;                // loops: how many; 0: one per core
  int backlog = 4096;                  // listen(2); the kernel caps it at net.core.somaxconn
  std::size_t max_connections =
      0;  // at once; further ones wait in the backlog; 0: as many as there are fds
  Nanoseconds idle_timeout{0};  // a receive or send without progress for so long ends; 0: never
  Nanoseconds drain_timeout = std::chrono::seconds(5);
  Nanoseconds spin{0};  // of every loop, before it sleeps: Io::set_spin; not with model blocking
  bool signals = true;  // SIGINT and SIGTERM stop the server, a second one cuts the drain short
  // Called once the server listens, on the thread that runs it.
  std::function<void(const class Server&)> on_ready;
  // One line of what happened, never with control characters from the network. Thread-safe.
  // Default: stderr.
  std::function<void(std::string_view)> log;
};

struct ServerStatistics {
  std::uint64_t accepted = 0;
  std::uint64_t active = 0;
  std::uint64_t failed = 0;   // handlers that threw
  std::uint64_t refused = 0;  // accepted, but could not be served (too large an fd, no thread)
  std::uint64_t accept_errors = 0;  // EMFILE and its like, each tried again later
  std::uint64_t cut = 0;            // still running when the drain time was over
};

class Server {
 public:
  // Opens the listening socket. Throws std::invalid_argument for an option that makes no sense (the
  // text says what to do) and std::system_error when the address can't be had.
  Server(ServerOptions options, Handler handler);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Serves until stopped, on this thread and the architecture's own. Once.
  void run();
  // Asks for the graceful end; a second call cuts what is left. Thread-safe, also before and after
  // run().
  void stop();

  const os::Address& address() const noexcept;
  const std::string& model() const noexcept;
  const std::string& architecture() const noexcept;
  // Thread-safe.
  ServerStatistics statistics() const noexcept;
  // The Ios that live as long as run(): one per loop; the acceptor's under thread-per-connection. A
  // connection's Io::home() is one of them. Valid once the server is made.
  std::vector<Io*> homes() const;
  // "listening on 127.0.0.1:8080 (epoll, loop)"
  std::string ready_line() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// Makes a server, prints its ready line to stdout, runs it; returns main's exit code: 0, or 1 with
// the reason on stderr when it could not start.
int serve(ServerOptions options, Handler handler);

}  // namespace polyio
