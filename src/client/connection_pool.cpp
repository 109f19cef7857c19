#include <polyio/client/connection_pool.hpp>
#include <polyio/io/task_group.hpp>
#include <polyio/io/waiter.hpp>
#include <stdexcept>

namespace polyio {

struct ConnectionPool::State : Timer, std::enable_shared_from_this<State> {
  State(Io& owner, ConnectionPoolOptions with)
      : Timer(close_expired), io(owner), options(std::move(with)) {
    if (options.ceiling == 0) throw std::invalid_argument("a pool has a ceiling of at least 1");
  }
  ~State() { io.disarm(*this); }

  static void close_expired(Timer& timer);
  class PlaceRequest;
  class EndRequest;
  void free_place() noexcept;
  void give_back(Connection connection) noexcept;
  Task<Result<Connection>> reuse();
  Task<bool> healthy(Connection& connection);
  Task<Result<Connection>> make();
  Deadline expiry(const Connection& connection) const noexcept;
  void watch(const Connection& connection);
  void close() noexcept;

  Io& io;
  const ConnectionPoolOptions options;
  os::HostPort target;
  std::vector<os::Address> addresses;  // known: no name to look up
  bool closed = false;
  std::vector<Connection> idle;  // the one used last is last
  // For what follows. All waiters are tasks of this Io, so it is never contended.
  std::mutex mutex;
  // Only a task that has a place and finds no idle connection makes one, so there are never more
  // connections than places. `granted` ones are of tasks that have not run since, and have no
  // connection yet.
  std::size_t places = 0, granted = 0;
  detail::WaiterList line;  // for a place; empty while one is free
  detail::WaiterList ends;  // shut_down()s, which wait for the last place to come back
  ConnectionPoolStatistics statistics;
};

// The place of one acquire until a lease has it.
class ConnectionPool::Place {
 public:
  explicit Place(State& state) noexcept : state_(&state) {}
  ~Place() {
    if (state_) state_->free_place();
  }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  void keep() noexcept { state_ = nullptr; }

 private:
  State* state_;
};

// Errors: EPIPE, the pool is closed.
class ConnectionPool::State::PlaceRequest : public detail::Waiter {
 public:
  explicit PlaceRequest(State& state) noexcept : Waiter(state.mutex), of_(state) {}
  Result<> value() noexcept {
    if (waited_) --of_.granted;
    return {};
  }

 protected:
  bool take() override {
    if (of_.closed) {
      refuse(errno_code(EPIPE));
    } else if (of_.places == of_.options.ceiling) {
      return false;
    } else {
      ++of_.places;
    }
    return true;
  }
  void queue() noexcept override {
    waited_ = true;
    ++of_.statistics.waited;
    of_.line.push_back(*this);
  }

 private:
  State& of_;
  bool waited_ = false;
};

// The end of a closed pool's last place.
class ConnectionPool::State::EndRequest : public detail::Waiter {
 public:
  explicit EndRequest(State& state) noexcept : Waiter(state.mutex), of_(state) {}
  Result<> value() noexcept { return {}; }

 protected:
  bool take() override { return of_.places == 0; }
  void queue() noexcept override { of_.ends.push_back(*this); }

 private:
  State& of_;
};

void ConnectionPool::State::free_place() noexcept {
  const std::lock_guard lock(mutex);
  if (detail::Waiter* next = line.front()) {
    ++granted;
    return next->end();  // the place is the next one's without ever being free
  }
  if (--places > 0) return;
  while (detail::Waiter* end = ends.front()) end->end();
}

void ConnectionPool::State::give_back(Connection connection) noexcept {
  connection.idle_since = io.driver().now();
  if (closed || !connection.stream) {
    connection.stream.close();
  } else if (expiry(connection) <= connection.idle_since) {
    ++statistics.closed_idle;
    connection.stream.close();
  } else {
    watch(connection);
    idle.push_back(std::move(connection));
  }
  free_place();
}

Deadline ConnectionPool::State::expiry(const Connection& connection) const noexcept {
  Deadline end = never;
  if (options.idle_time > Nanoseconds::zero()) {
    end = deadline_after(connection.idle_since, options.idle_time);
  }
  if (options.max_age > Nanoseconds::zero()) {
    end = std::min(end, deadline_after(connection.made, options.max_age));
  }
  return end;
}

// The timer may fire for a connection that was lent again meanwhile: it looks for the next one.
void ConnectionPool::State::watch(const Connection& connection) {
  const Deadline end = expiry(connection);
  if (end == never) return;
  if (Timer::index == Timer::unarmed || end < Timer::deadline) io.arm(*this, end);
}

void ConnectionPool::State::close_expired(Timer& timer) {
  auto& self = static_cast<State&>(timer);
  const TimePoint now = self.io.driver().now();
  self.statistics.closed_idle += std::erase_if(
      self.idle, [&](const Connection& connection) { return self.expiry(connection) <= now; });
  for (const Connection& connection : self.idle) self.watch(connection);
}

Task<bool> ConnectionPool::State::healthy(Connection& connection) {
  if (expiry(connection) <= io.driver().now()) {
    ++statistics.closed_idle;
    co_return false;
  }
  bool good = connection.stream.quiet();
  if (good && options.health) {
    CancelScope patience(io, options.health_timeout);
    auto answer = co_await options.health(io, connection.stream);
    good = answer && !patience.cancelled();
  }
  if (!good) ++statistics.failed_health;
  co_return good;
}

// An idle connection that is still good; empty if there is none.
Task<Result<ConnectionPool::Connection>> ConnectionPool::State::reuse() {
  while (!idle.empty()) {
    Connection connection = std::move(idle.back());
    idle.pop_back();
    auto good = co_await healthy(connection);
    if (good) {
      ++statistics.reused;
      co_return std::move(connection);
    }
    connection.stream.close();
    if (io.current().scope->cancelled()) break;
  }
  co_return Connection();
}

Task<Result<ConnectionPool::Connection>> ConnectionPool::State::make() {
  Connection connection;
  const Deadline until = deadline_after(io.driver().now(), options.connect_timeout);
  if (addresses.empty()) {
    auto stream = co_await connect(io, target, until, options.connecting);
    if (!stream) co_return fail(stream.error());
    connection.stream = std::move(*stream);
  } else {
    auto stream = co_await connect(io, addresses, until, options.connecting);
    if (!stream) co_return fail(stream.error());
    connection.stream = std::move(*stream);
  }
  connection.made = io.driver().now();
  ++statistics.created;
  co_return std::move(connection);
}

void ConnectionPool::State::close() noexcept {
  if (std::exchange(closed, true)) return;
  io.disarm(*this);
  idle.clear();
  const std::lock_guard lock(mutex);
  while (detail::Waiter* waiting = line.front()) waiting->end(errno_code(EPIPE));
}

ConnectionPool::ConnectionPool(Io& io, std::string_view target, ConnectionPoolOptions options)
    : state_(std::make_shared<State>(io, std::move(options))) {
  auto parsed = os::parse_host_port(target);
  if (!parsed) throw std::invalid_argument("a pool's target is HOST:PORT");
  state_->target = std::move(*parsed);
}

ConnectionPool::ConnectionPool(Io& io, const os::Address& target, ConnectionPoolOptions options)
    : state_(std::make_shared<State>(io, std::move(options))) {
  state_->addresses.push_back(target);
}

ConnectionPool::~ConnectionPool() { state_->close(); }

void ConnectionPool::close() noexcept { state_->close(); }

Task<Result<>> ConnectionPool::shut_down() {
  const std::shared_ptr<State> state = state_;
  state->close();
  if (state->places == 0) co_return Result<>();
  detail::WaitAwaiter<State::EndRequest> end(state->io, *state);
  co_return co_await end;
}

ConnectionPoolStatistics ConnectionPool::statistics() const noexcept {
  ConnectionPoolStatistics now = state_->statistics;
  now.in_use = state_->places - state_->granted;
  now.idle = state_->idle.size();
  return now;
}

Task<Result<ConnectionPool::Lease>> ConnectionPool::acquire(Deadline until) {
  return acquire_from(state_, until);
}

Task<Result<ConnectionPool::Lease>> ConnectionPool::acquire_from(std::shared_ptr<State> state,
                                                                 Deadline until) {
  CancelScope limit(state->io, until);
  ConnectionPoolStatistics& statistics = state->statistics;
  detail::WaitAwaiter<State::PlaceRequest> wait(state->io, *state);
  auto placed = co_await wait;
  if (!placed) {
    if (placed.error() == std::errc::timed_out) ++statistics.timed_out;
    co_return fail(placed.error());
  }
  Place place(*state);
  auto connection = co_await state->reuse();
  if (!connection->stream) {
    auto made = co_await state->make();
    if (!made) {
      if (!limit.cancelled()) ++statistics.connect_failed;
      if (limit.timed_out()) ++statistics.timed_out;
      co_return fail(made.error());
    }
    *connection = std::move(*made);
  }
  if (state->closed) co_return fail(EPIPE);
  Lease lease;
  ++connection->uses;
  lease.connection_ = std::move(*connection);
  lease.state_ = state;
  place.keep();
  co_return std::move(lease);
}

ConnectionPool::Lease& ConnectionPool::Lease::operator=(Lease&& other) noexcept {
  if (this == &other) return *this;
  end();
  state_ = std::move(other.state_);
  connection_ = std::move(other.connection_);
  return *this;
}

void ConnectionPool::Lease::end() noexcept {
  if (!state_) return;
  const Job* job = state_->io.current_or_none();
  if (std::uncaught_exceptions() > 0 || (job && job->scope->cancelled())) return discard();
  const auto state = std::move(state_);
  state->give_back(std::move(connection_));
}

void ConnectionPool::Lease::discard() noexcept {
  const auto state = std::move(state_);
  if (!state) return;
  ++state->statistics.discarded;
  connection_.stream.close();
  state->free_place();
}

}  // namespace polyio
