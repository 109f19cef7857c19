// What all parts of one server share: its options, its handler and its counters, which lie in
// memory that its processes share too, so that Server::statistics() is right across them. The
// counters are atomic and order nothing.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <polyio/linux/process.hpp>
#include <polyio/os/signals.hpp>
#include <polyio/server/server.hpp>
#include <span>

#include "dials.hpp"

namespace polyio {

struct Counters {
  using Count = std::atomic<std::uint64_t>;
  Count accepted, failed, refused, turned_away, accept_errors, cut, workers_crashed, workers;
  Count lease_shortages;
  std::atomic<std::int64_t> shortage_logged;  // when, in seconds of the monotonic clock; 0: never
  std::atomic<bool> refusal_logged;           // and none was admitted since
  std::atomic<unsigned> stops;                // calls of Server::stop() and signals
};

// Connections of one process. On a cache line of its own: several processes count at once.
struct alignas(64) ProcessCounts {
  Counters::Count active, waiting;
};

// A driver of the chosen model can't be had, or not as many as there are loops.
struct NoDriver : std::system_error {
  using std::system_error::system_error;
};

// One of the server's listening sockets.
struct Endpoint {
  std::string listen;  // as the user gave it
  unsigned unix_mode = 0;
  Handler handler;
  os::Address address;  // once it listens
};

// One socket for each endpoint, in their order.
using Listeners = std::vector<os::UniqueFd>;

struct ServerShared {
  ServerShared(ServerOptions chosen, Dials settled, Handler serving);
  const ServerOptions options;  // as the user gave them, but with a log
  const Dials dials;
  std::vector<Endpoint> endpoints;

  // The handler of a connection, by the address at which it came in.
  const Handler& handler_of(int connection) const noexcept;

  Counters& counters() const noexcept { return *static_cast<Counters*>(memory_.data()); }
  // Of each process that may serve at the same time.
  std::span<ProcessCounts> processes() const noexcept { return processes_; }
  std::uint64_t active() const noexcept;
  std::uint64_t waiting() const noexcept;

  // After SIGHUP: it was the hang-up of the terminal from which the server was started, and the
  // server was not started to outlive that (nohup(1)).
  bool terminal_is_gone() const noexcept { return hang_up_stops_ && !os::has_terminal(); }

  // A driver of the model. Throws NoDriver when none can be had.
  std::unique_ptr<Driver> new_driver(const std::string& model, bool one_connection) const;
  // Gives `io` what the options say of every Io that serves.
  void set_up(Io& io) const;
  // Makes an accepted connection that Io's. None: it can't be, and has been refused.
  std::optional<Stream> adopt(Io& io, os::UniqueFd socket);
  // Counts and logs what a handler, or another part that `what` names, threw.
  void count_failure(std::string_view what, const std::exception_ptr& exception) noexcept;
  void handler_threw(const std::exception_ptr& exception) noexcept {
    count_failure("a handler", exception);
  }
  // One line; what goes wrong in logging goes no further.
  void log(LogLine line) const noexcept;
  // Calls on_stop; what it throws is logged.
  void stop_begins() noexcept;
  // Counts a receive that found no large buffer, and logs it once a minute.
  void lease_shortage(Io& io) const noexcept;
  // A connection that was accepted and can't be served is sent the refusal text, or reset, and
  // counted as refused; the reason is logged once until another is adopted.
  void refuse(os::UniqueFd socket, std::string_view why) noexcept;

 private:
  const bool hang_up_stops_ = os::has_terminal() && !os::is_ignored(SIGHUP);
  os::SharedPages memory_;
  std::span<ProcessCounts> processes_;
};

// Tells the client that it is not served, without waiting for it: `text`, then the end; without a
// text a reset.
void turn_away(os::UniqueFd socket, std::string_view text) noexcept;

// The handler on `socket`, on the calling task of `io`; what it throws is counted and logged.
Task<> serve_connection(ServerShared& shared, Io& io, os::UniqueFd socket);

}  // namespace polyio
