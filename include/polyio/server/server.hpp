// Server: runs a connection handler under the three dials, chosen when it starts: the I/O model,
// the architecture and the policy. The handler is an ordinary coroutine and can't tell
// which. A handler that throws costs its own connection only. Stopping is graceful: no more is
// accepted, handlers see the end of file once they have received what is there, and what still runs
// after the drain time is cut and counted.
//
// Architectures (docs/architectures.md): loop, loops, thread-per-connection, thread-pool, prefork,
// process-per-connection, iterative. prefork and process-per-connection fork: run() requires a
// process without other threads, and creates none itself.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <polyio/base/log_line.hpp>
#include <polyio/io/stream.hpp>
#include <polyio/server/background.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace polyio {

using Handler = std::function<Task<>(Io&, Stream)>;

// A further listening socket of a server, with a handler of its own.
struct AlsoListen {
  std::string listen = {};  // as ServerOptions::listen
  Handler handler;
  unsigned unix_mode = 0;  // as ServerOptions::unix_mode
};

struct ServerOptions {
  // os::Address::parse, where port 0 is any free one; unix:PATH; or fd:NUMBER or fd:NAME, a socket
  // that the process was started with (os/inherited_socket.hpp).
  std::string listen = "127.0.0.1:0";
  // Under every architecture but iterative. A connection's socket must tell where it came in, so no
  // two may have the same address.
  std::vector<AlsoListen> also{};
  std::string model = "auto";     // drivers/registry.hpp
  std::string architecture = {};  // empty: the model's first
  // Which of a loop's ready connections goes next: fcfs, sjf, rr, mlfq (docs/scheduling.md). Empty:
  // fcfs. The others need loops that many connections share: architecture loop, loops or prefork,
  // and a model with a loop.
  std::string policy = {};
  // How many loops, threads of the pool or processes. 0: one per core; thread-pool 64; prefork with
  // model blocking 16.
  unsigned workers = 0;
  int backlog = 4096;  // listen(2); the kernel caps it at net.core.somaxconn
  // At once; further ones wait in the backlog. 0: as many as there are descriptors.
  std::size_t max_connections = 0;
  // Permissions of a Unix socket's file, as chmod(2)'s. 0: umask(2) decides.
  unsigned unix_mode = 0;
  // How many accepted connections may wait for a place when all are taken; the next is turned away.
  // Needs a ceiling: max_connections, or workers that serve one connection each. None: the rest
  // waits in the backlog, unaccepted; thread-pool, and prefork with model blocking: 128.
  std::optional<std::size_t> max_waiting{};
  // Sent to a client that is turned away or refused, before the end of file. Empty: a reset.
  std::string refusal = {};
  // loops: how connections get to the loops: hand-over, shared, reuseport. Empty: hand-over.
  std::string accepting = {};
  // The connections meet in the memory of this process, as in a chat: architectures of several
  // processes, or that serve one connection at a time, are refused.
  bool one_process = false;
  // A receive or send that makes no progress for this long ends with timed_out. 0: never.
  Nanoseconds idle_timeout{0};
  Nanoseconds drain_timeout = std::chrono::seconds(5);
  Nanoseconds spin{0};  // of every loop, before it sleeps: Io::set_spin; not with model blocking
  Nanoseconds poll_interval{0};  // model nonblocking: the pause between two rounds of looking
  // A handler that holds its loop for this long without waiting is logged, with its connection and
  // where it is (io/watchdog.hpp). 0: no watchdog. Needs loops that can be held.
  Nanoseconds watchdog{0};
  // Run beside the handlers, each once on every one of homes(), under prefork in every worker
  // process. What one throws is logged and counted as failed; the server goes on. Refused where
  // nothing runs beside a connection: process-per-connection; iterative and prefork with model
  // blocking.
  std::vector<BackgroundTask> background{};
  // SIGINT and SIGTERM stop the server, a second one cuts the drain short; SIGHUP replaces the
  // workers of prefork, or calls `on_reload`.
  bool signals = true;
  // Reads again what may have changed, such as certificates. Called on SIGHUP under architectures
  // that have no processes to replace, on a thread of its own.
  std::function<void()> on_reload = {};
  // Called once the server listens, on the thread that runs it.
  std::function<void(const class Server&)> on_ready = {};
  // Called once, when the server begins to stop, on the thread that notices. Must not wait.
  std::function<void()> on_stop = {};
  // Takes one line that says what happened, never with control characters from the network. Must
  // be thread-safe, and not wait: the server does meanwhile. Default: an os::LineLog on stderr.
  std::function<void(LogLine)> log = {};
};

struct ServerStatistics {
  std::uint64_t accepted = 0;
  std::uint64_t active = 0;
  std::uint64_t failed = 0;           // handlers and background tasks that threw
  std::uint64_t refused = 0;          // accepted, but could not be served (no thread, no process)
  std::uint64_t accept_errors = 0;    // EMFILE and its like, each tried again later
  std::uint64_t cut = 0;              // still running when the drain time was over
  std::uint64_t turned_away = 0;      // accepted, but all places and the queue for them were full
  std::uint64_t waiting = 0;          // accepted, and wait for a place now
  std::uint64_t workers = 0;          // processes that serve now; 0: this process serves itself
  std::uint64_t workers_crashed = 0;  // processes that ended without being asked, or by an error
  // Receives that found all large buffers of their loop held by leases (io/lease_pool.hpp).
  std::uint64_t lease_shortages = 0;
};

// What Server::set_model brought about.
struct ModelChange {
  std::string before, now;        // models
  std::uint64_t connections = 0;  // that were open
  // For how long a loop did nothing else, at most: from its last turn with the one model to the end
  // of its first with the other, in which every operation that waits is started anew.
  Nanoseconds pause{0};
};

class Server {
 public:
  // Opens the listening socket. Throws std::invalid_argument for an option that makes no sense (the
  // text says what to do) and std::system_error when it can't listen on the address.
  Server(ServerOptions options, Handler handler);
  ~Server();
  // Throws std::invalid_argument as the constructor does, but opens nothing. Not checked: that the
  // address is free, and what inherited sockets are.
  static void check(const ServerOptions& options);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Serves until stopped, on this thread and the architecture's own. Once.
  void run();
  // Asks for the graceful end; a second call cuts what is left. Thread-safe, also before and after
  // run(), and from the server's other processes.
  void stop();

  // Another I/O model from now on, under the connections that are open: none is closed, and no byte
  // is lost (Io::set_driver). "auto" is choose_model(). Returns when all loops have it.
  // Thread-safe, while run() runs; not on the server's own threads. Throws std::invalid_argument,
  // which says what to do, for what can't be changed to or from, and std::system_error when the
  // model can't be had now; nothing has changed then.
  ModelChange set_model(std::string_view model);

  // Of the first socket; of all, in the order of the options.
  const os::Address& address() const noexcept;
  std::vector<os::Address> addresses() const;
  std::string model() const;  // the present one; thread-safe
  const std::string& architecture() const noexcept;
  std::string_view policy() const noexcept;
  // Of all the server's processes. Thread-safe, in any of them.
  ServerStatistics statistics() const noexcept;
  // The Ios that live as long as run(): one per loop; the acceptor's where threads serve; none
  // where processes do. A connection's Io::home() is one of them. Valid once the server is made.
  std::vector<Io*> homes() const;
  // "listening on 127.0.0.1:8080 (epoll, loop)", with all addresses, and with the policy if it is
  // not fcfs: "(epoll, loop, mlfq)".
  std::string ready_line() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// Makes a server, prints its ready line to stdout, runs it; returns main's exit code: 0, or 1 with
// the reason on stderr when it could not start.
int serve(ServerOptions options, Handler handler);

}  // namespace polyio
