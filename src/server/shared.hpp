// What all parts of one server share: its options, its handler and its counters, which lie in
// memory that its processes share too, so that Server::statistics() is right across them. The
// counters are atomic and order nothing.
#pragma once

#include <atomic>
#include <cstdint>
#include <polyio/linux/process.hpp>
#include <polyio/server/server.hpp>
#include <span>

namespace polyio {

struct Counters {
  using Count = std::atomic<std::uint64_t>;
  Count accepted, failed, refused, turned_away, accept_errors, cut, workers_crashed, workers;
  std::atomic<bool> told;       // that connections are refused
  std::atomic<unsigned> stops;  // calls of Server::stop() and signals
};

// Connections of one process. On a cache line of its own: several processes count at once.
struct alignas(64) Seat {
  Counters::Count active, waiting;
};

struct ServerShared {
  // `seats` processes may serve at the same time.
  ServerShared(ServerOptions chosen, Handler serving, std::size_t seats);
  ServerOptions options;
  Handler handler;

  Counters& counters() const noexcept { return *static_cast<Counters*>(memory_.data()); }
  std::span<Seat> seats() const noexcept { return seats_; }
  std::uint64_t active() const noexcept;
  std::uint64_t waiting() const noexcept;

  // A driver of the model chosen. Throws std::system_error when none can be had.
  std::unique_ptr<Driver> new_driver() const;
  // Counts and logs what a handler threw.
  void handler_threw(const std::exception_ptr& exception) noexcept;
  // One line; what goes wrong in logging goes no further.
  void log(std::string_view line) const noexcept;
  // A connection that was accepted and can't be served is sent the refusal text, or reset, counted
  // as refused, and that is told once until admitted() is called.
  void refuse(os::UniqueFd socket, std::string_view why) noexcept;
  void admitted() noexcept { counters().told.store(false, std::memory_order_relaxed); }

 private:
  os::SharedPages memory_;
  std::span<Seat> seats_;
};

// Tells the client that it is not served, without waiting for it: `text`, then the end; without a
// text a reset.
void turn_away(os::UniqueFd socket, std::string_view text) noexcept;

// The handler on `socket`, on the calling task of `io`; what it throws is counted and logged.
Task<> serve_connection(ServerShared& shared, Io& io, os::UniqueFd socket);
Task<> serve_connection(ServerShared& shared, Io& io, Stream stream);

}  // namespace polyio
