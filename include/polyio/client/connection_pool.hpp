// ConnectionPool: connections to one server, kept open and lent to one task at a time. The rule:
// there are never more than `ceiling`, idle and lent ones together; places are given first come,
// first served, and come back however their task ends. Belongs to one Io and is not thread-safe: a
// server with several loops has a pool in each. It may be destroyed before the leases; the Io must
// outlive both.
#pragma once

#include <functional>
#include <polyio/client/connect.hpp>

namespace polyio {

struct ConnectionPoolOptions {
  std::size_t ceiling = 8;  // connections at once, at least 1
  // A connection is closed after this much time without use; zero: never. Should be less than the
  // server's own.
  Nanoseconds idle_time = std::chrono::seconds(60);
  // A connection this old is not used again; zero: however old.
  Nanoseconds max_age{0};
  Nanoseconds connect_timeout = std::chrono::seconds(10);
  // Called before a connection is used again, after the check that the server has neither closed it
  // nor sent anything unasked. False: the connection is closed and the next one tried.
  std::function<Task<bool>(Io&, Stream&)> health = {};
  Nanoseconds health_timeout = std::chrono::seconds(1);
  ConnectOptions connecting;
};

struct ConnectionPoolStatistics {
  std::uint64_t created = 0;    // connections made
  std::uint64_t reused = 0;     // leases of a connection that was there
  std::uint64_t waited = 0;     // acquires that found every place taken
  std::uint64_t timed_out = 0;  // acquires that met their deadline
  std::uint64_t connect_failed = 0;
  std::uint64_t closed_idle = 0;    // not used for idle_time, or past max_age
  std::uint64_t failed_health = 0;  // closed by the server, or refused by the check
  std::uint64_t discarded = 0;      // by discard(), by an exception or a cancel
  std::size_t in_use = 0;           // lent, and those being connected or checked
  std::size_t idle = 0;
};

class ConnectionPool {
  struct State;
  struct Connection {
    Stream stream;
    TimePoint made{};
    TimePoint idle_since{};
    std::uint64_t uses = 0;
  };

 public:
  // A connection, lent until this is destroyed. It is then kept for reuse, unless its task ends by
  // an exception or is cancelled at that moment, as half an answer may still be to come. Call
  // discard() whenever an exchange was not finished, also after a deadline or an error of the
  // stream. Move-only.
  class [[nodiscard]] Lease {
   public:
    Lease() = default;
    Lease(Lease&& other) noexcept = default;
    Lease& operator=(Lease&& other) noexcept;
    ~Lease() { end(); }
    explicit operator bool() const noexcept { return state_ != nullptr; }
    Stream& stream() noexcept { return connection_.stream; }
    Stream* operator->() noexcept { return &connection_.stream; }
    Stream& operator*() noexcept { return connection_.stream; }
    // True when it has been used before: the server may have closed it at that moment, so what can
    // be asked twice is worth another try on a second lease.
    bool reused() const noexcept { return connection_.uses > 1; }
    // Closes it and passes the place on. A second call does nothing.
    void discard() noexcept;

   private:
    friend class ConnectionPool;
    void end() noexcept;
    std::shared_ptr<State> state_;
    Connection connection_;
  };

  // To "HOST:PORT", looked up for each connection. Throws std::invalid_argument for anything else.
  ConnectionPool(Io& io, std::string_view target, ConnectionPoolOptions options = {});
  ConnectionPool(Io& io, const os::Address& target, ConnectionPoolOptions options = {});
  // Calls close().
  ~ConnectionPool();
  ConnectionPool(const ConnectionPool&) = delete;
  ConnectionPool& operator=(const ConnectionPool&) = delete;

  // `auto lease = co_await pool.acquire(deadline);` - Result<Lease>: the connection used last that
  // is still good, or else a new one; waits in line while all places are taken. Errors: those of
  // connect(); timed_out at the deadline; EPIPE, the pool is closed; those of the scope. On an
  // error the place goes to the next in line.
  Task<Result<Lease>> acquire(Deadline until = never);
  // Closes idle connections, and lent ones when they come back. Acquires fail from now on, those in
  // line at once. A second call does nothing.
  void close() noexcept;
  // close(), and waits until everything has come back. Errors: those of the scope.
  Task<Result<>> shut_down();

  ConnectionPoolStatistics statistics() const noexcept;

 private:
  class Place;
  static Task<Result<Lease>> acquire_from(std::shared_ptr<State> state, Deadline until);
  std::shared_ptr<State> state_;
};

}  // namespace polyio
