#include "worker.hpp"

#include <optional>
#include <polyio/io/watchdog.hpp>

#include "accept_errors.hpp"
#include "surely.hpp"

namespace polyio {

using namespace std::chrono_literals;

namespace {

// What points into a coroutine's frame is cleared however that ends, by an exception too.
template <class T>
struct Cleared {
  explicit Cleared(T*& to_clear) noexcept : pointer(to_clear) {}
  Cleared(const Cleared&) = delete;
  Cleared& operator=(const Cleared&) = delete;
  ~Cleared() { pointer = nullptr; }
  T*& pointer;
};

}  // namespace

Worker::Worker(ServerShared& shared, WaitingRoom& room, std::unique_ptr<Driver> driver)
    : shared_(shared), room_(room), io_(std::move(driver)) {
  if (shared.options.idle_timeout > 0ns) io_.set_idle_timeout(shared.options.idle_timeout);
  io_.set_spin(shared.options.spin);
}

Worker::~Worker() = default;

void Worker::run(const Dispatch& dispatch) {
  {
    const std::lock_guard lock(stop_mutex_);
    running_ = true;
  }
  std::optional<Watchdog> watchdog;
  if (const auto limit = shared_.options.watchdog; limit > 0ns) {
    watchdog.emplace(io_, limit, shared_.options.log);
  }
  io_.run(main(dispatch));
  watchdog.reset();
  if (crew_) crew_->end();
}

Task<> Worker::main(const Dispatch& dispatch) {
  main_job_ = &io_.current();
  const Cleared main_job(main_job_);
  auto serving = [&](TaskGroup& connections) { return serve(connections, dispatch); };
  co_await with_task_group(io_, serving);
  while (!end()) {
    auto parked = co_await io_.park();
    (void)parked;
  }
}

// False: a connection is on its way here from another worker.
bool Worker::end() {
  const std::lock_guard lock(stop_mutex_);
  if (load() > 0) return false;
  running_ = false;
  ended_ = true;
  return true;
}

Task<> Worker::serve(TaskGroup& connections, const Dispatch& dispatch) {
  connections_ = &connections;
  const Cleared cleared(connections_);
  connections.supervise(*this);
  auto accepting = [&](TaskGroup& group) { return accept_until_stopped(group, dispatch); };
  co_await with_task_group(io_, accepting);
  if (!drain_) (void)co_await all_gone_in_time(false);
  room_.close();
  begin_drain();
  auto gone = co_await all_gone_in_time(cut_);
  if (!gone) {
    shared_.counters().cut.fetch_add(load(), std::memory_order_relaxed);
    begin_cut();
  }
  while (load() > 0) {
    auto parked = co_await io_.park();
    (void)parked;
    if (connections.cancelled()) break;  // they end by themselves now, join waits for them
  }
}

// Waits until no connection is left, for the drain time at most or until the next step is asked
// for.
Task<bool> Worker::all_gone_in_time(bool hurry) {
  CancelScope limit(io_, shared_.options.drain_timeout);
  draining_ = &limit;
  const Cleared draining(draining_);
  if (hurry) limit.cancel();
  bool in_time = true;
  while (load() > 0 && in_time) {
    auto parked = co_await io_.park();
    in_time = parked.has_value();
  }
  co_return in_time;
}

Task<> Worker::accept_until_stopped(TaskGroup& group, const Dispatch& dispatch) {
  {
    const std::lock_guard lock(stop_mutex_);
    if (asked_) apply(*asked_);
  }
  if (acceptor_.listens() && io_.driver().blocks()) {
    co_await accept_all(dispatch);
  } else if (acceptor_.listens()) {
    // The group waits for those it accepts at last.
    const auto spawned = group.spawn(accept_all(dispatch));
    if (!spawned) throw std::system_error(spawned.error(), "can't accept connections");
  }
  while (!stopping_) {
    auto parked = co_await io_.park();
    if (!parked) break;
  }
}

Task<> Worker::accept_all(const Dispatch& dispatch) {
  for (;;) {
    auto stream = co_await acceptor_.next();
    if (!stream) break;
    dispatch(std::move(*stream));
  }
}

void Worker::serve_here(Stream stream) {
  load_.fetch_add(1);
  start(std::move(stream));
}

// True: its end will be told to task_ended().
bool Worker::start_one(Stream stream) {
  if (!connections_) {  // handed over when this worker had nothing more to do
    auto socket = stream.release();
    shared_.refuse(socket ? std::move(*socket) : os::UniqueFd(), "the server is stopping");
    return false;
  }
  try {
    const int socket = stream.descriptor();
    if (connections_->spawn(shared_.handler(io_, std::move(stream)), socket)) return true;
    shared_.refuse({}, "no task can be had");
  } catch (...) {  // the handler is no coroutine, or there is no memory for its frame
    shared_.handler_threw(std::current_exception());
  }
  return false;
}

void Worker::start(Stream stream) {
  if (!start_one(std::move(stream))) connection_ended();
}

void Worker::task_ended(const std::exception_ptr& exception) noexcept {
  if (exception) shared_.handler_threw(exception);
  connection_ended();
}

// Who waited longest follows, on this worker, which has one less now.
void Worker::connection_ended() {
  while (auto next = room_.give_up_place()) {
    auto stream = io_.adopt(std::move(*next));
    if (!stream) {
      shared_.refuse({}, why_not_adopted(stream.error()));
    } else if (start_one(std::move(*stream))) {
      return;
    }
  }
  connection_left();
}

void Worker::connection_left() noexcept {
  load_.fetch_sub(1);
  if (!stopping_) return;
  if (!crew_) {
    if (main_job_) io_.unpark(*main_job_);
    return;
  }
  const std::lock_guard lock(stop_mutex_);  // on a thread of the crew: the main job may be gone
  if (!running_) return;
  surely([&] {
    io_.post([this] {
      if (main_job_) io_.unpark(*main_job_);
    });
  });
}

void Worker::look_again() {
  const std::lock_guard lock(stop_mutex_);
  if (running_) acceptor_.look_again();
}

// Counted at once, so that a burst of connections is spread while the posts are on their way.
void Worker::take(os::UniqueFd socket) {
  {
    const std::lock_guard lock(stop_mutex_);
    if (ended_) {
      shared_.refuse(std::move(socket), "the server is stopping");
      (void)room_.give_up_place();
      return;
    }
    load_.fetch_add(1);
  }
  io_.post([this, owned = std::move(socket)]() mutable {
    auto stream = io_.adopt(std::move(owned));
    if (stream) return start(std::move(*stream));
    shared_.refuse({}, why_not_adopted(stream.error()));
    connection_ended();
  });
}

void Worker::serve_in_thread(Stream stream) {
  auto socket = stream.release();
  if (!socket) {
    (void)room_.give_up_place();
    return;
  }
  load_.fetch_add(1);
  crew_->serve(std::move(*socket));
}

void Worker::stop(Architecture::Stop how) {
  const std::lock_guard lock(stop_mutex_);
  asked_ = std::max(asked_.value_or(how), how);
  if (!running_) return;
  surely([&] { io_.post([this, how] { apply(how); }); });
}

void Worker::apply(Architecture::Stop how) {
  stopping_ = true;
  acceptor_.stop();
  if (how >= Architecture::Stop::drain && !std::exchange(drain_, true) && draining_) {
    draining_->cancel();
  }
  if (how == Architecture::Stop::cut) {
    cut_ = true;
    if (draining_) draining_->cancel();
  }
  if (main_job_) io_.unpark(*main_job_);  // else it has not begun yet
}

void Worker::begin_drain() {
  io_.drain();
  if (crew_) crew_->drain();
}

void Worker::begin_cut() {
  if (crew_) return crew_->cut();
  connections_->cancel();
}

}  // namespace polyio
