#include "worker.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <polyio/drivers/registry.hpp>
#include <polyio/os/signals.hpp>
#include <polyio/proto/text.hpp>

namespace polyio {
namespace {

using namespace std::chrono_literals;

// How long the accept loop rests after the system ran out of something.
constexpr auto exhausted_rest = 50ms;

bool exhausted(std::error_code error) noexcept {
  const int value = error.value();
  return value == EMFILE || value == ENFILE || value == ENOBUFS || value == ENOMEM;
}

// Errors of one connection, not of the listener (accept(2)).
bool concerns_one_connection(std::error_code error) noexcept {
  switch (error.value()) {
    case ECONNABORTED:
    case EPROTO:
    case EPERM:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EINTR:
    case EAGAIN: return true;
    default: return false;
  }
}

}  // namespace

void ServerShared::handler_threw(const std::exception_ptr& exception) {
  failed.fetch_add(1, std::memory_order_relaxed);
  try {
    std::rethrow_exception(exception);
  } catch (const std::exception& error) {
    options.log(fmt::format("a handler threw: {}", proto::escape_for_log(error.what(), 1024)));
  } catch (...) {
    options.log("a handler threw what is not a std::exception");
  }
}

Worker::Worker(ServerShared& shared, std::unique_ptr<Driver> driver)
    : shared_(shared), io_(std::move(driver)) {
  if (shared.options.idle_timeout > 0ns) io_.set_idle_timeout(shared.options.idle_timeout);
  io_.set_spin(shared.options.spin);
}

Worker::~Worker() { reap_threads(true); }

void Worker::run(const Dispatch& dispatch) {
  {
    const std::lock_guard lock(stop_mutex_);
    running_ = true;
  }
  io_.run(main(dispatch));
  reap_threads(true);
}

Task<> Worker::main(const Dispatch& dispatch) {
  main_job_ = &io_.current();
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
  connections.supervise(*this);
  auto accepting = [&](TaskGroup& group) { return accept_until_stopped(group, dispatch); };
  co_await with_task_group(io_, accepting);
  listener_.close();
  begin_drain();
  bool in_time = true;
  {
    CancelScope limit(io_, shared_.options.drain_timeout);
    draining_ = &limit;
    if (impatient_) limit.cancel();
    while (load() > 0 && in_time) {
      auto parked = co_await io_.park();
      in_time = parked.has_value();
    }
    draining_ = nullptr;
  }
  if (!in_time) {
    shared_.cut.fetch_add(load(), std::memory_order_relaxed);
    begin_cut();
  }
  while (load() > 0) {
    auto parked = co_await io_.park();
    (void)parked;
    if (connections.cancelled()) break;  // they end by themselves now, join waits for them
  }
}

Task<> Worker::accept_until_stopped(TaskGroup& group, const Dispatch& dispatch) {
  if (dispatch && io_.driver().blocks()) {
    co_await accept_loop(dispatch);
  } else if (dispatch) {
    (void)group.spawn(accept_loop(dispatch));
  }
  {
    const std::lock_guard lock(stop_mutex_);
    if (stops_ > 0) stopping_ = true;
  }
  while (!stopping_ || accept_job_) {  // what was accepted at the last moment is served
    auto parked = co_await io_.park();
    if (!parked) break;
  }
}

Task<> Worker::accept_loop(const Dispatch& dispatch) {
  CancelScope scope(io_);
  accepting_ = &scope;
  accept_job_ = &io_.current();
  {
    const std::lock_guard lock(stop_mutex_);
    if (stops_ > 0) scope.cancel();
  }
  while (!scope.cancelled()) {
    co_await wait_for_room();
    auto stream = co_await listener_.accept();
    if (stream) {
      exhausted_ = false;
      shared_.accepted.fetch_add(1, std::memory_order_relaxed);
      dispatch(std::move(*stream));
    } else if (!scope.cancelled()) {
      co_await recover(stream.error());
    }
  }
  accepting_ = nullptr;
  accept_job_ = nullptr;
  io_.unpark(*main_job_);
}

Task<> Worker::wait_for_room() {
  const std::size_t limit = shared_.options.max_connections;
  while (limit && shared_.active.load() >= limit) {
    shared_.acceptor_waits.store(true);
    if (shared_.active.load() < limit) break;
    auto parked = co_await io_.park();
    if (!parked) co_return;
  }
}

// After an accept that failed: the reason decides whether to go on at once, and it is told once.
Task<> Worker::recover(std::error_code error) {
  if (concerns_one_connection(error)) co_return;
  if (error.value() == EOVERFLOW) {  // select(2) can't take so large a descriptor
    shared_.refused.fetch_add(1, std::memory_order_relaxed);
    if (!std::exchange(exhausted_, true)) {
      shared_.options.log("a connection was refused: its descriptor is too large for select(2)");
    }
    co_return;
  }
  shared_.accept_errors.fetch_add(1, std::memory_order_relaxed);
  if (!std::exchange(exhausted_, true)) {
    shared_.options.log(fmt::format("accept: {}; {}", error.message(),
                                    exhausted(error) ? "waiting until some are free" : "going on"));
  }
  auto rested = co_await io_.sleep(exhausted_rest);
  (void)rested;
}

void Worker::admit() noexcept {
  shared_.active.fetch_add(1);
  load_.fetch_add(1);
}

void Worker::serve_here(Stream stream) {
  admit();
  start(std::move(stream));
}

void Worker::start(Stream stream) {
  try {
    if (connections_->spawn(shared_.handler(io_, std::move(stream)))) return;
    shared_.refused.fetch_add(1, std::memory_order_relaxed);
  } catch (...) {  // the handler is no coroutine, or there is no memory for its frame
    shared_.handler_threw(std::current_exception());
  }
  connection_ended();
}

void Worker::task_ended(const std::exception_ptr& exception) noexcept {
  if (exception) shared_.handler_threw(exception);
  connection_ended();
}

void Worker::connection_ended() {
  load_.fetch_sub(1);
  shared_.active.fetch_sub(1);
  if (stopping_) io_.unpark(*main_job_);
  if (shared_.acceptor_waits.exchange(false)) shared_.wake_acceptor();
}

void Worker::room_freed() {
  io_.post([this] {
    if (accept_job_) io_.unpark(*accept_job_);
  });
}

// Counted at once, so that a burst of connections is spread while the posts are on their way.
void Worker::take(os::UniqueFd socket) {
  {
    const std::lock_guard lock(stop_mutex_);
    if (ended_) {
      shared_.refused.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    admit();
  }
  io_.post([this, owned = std::move(socket)]() mutable {
    auto stream = io_.adopt(std::move(owned));
    if (stream && !stopping_) return start(std::move(*stream));
    shared_.refused.fetch_add(1, std::memory_order_relaxed);
    connection_ended();
  });
}

void Worker::serve_in_thread(Stream stream) {
  reap_threads(false);
  auto socket = stream.release();
  if (!socket) return;
  admit();
  const std::lock_guard lock(threads_mutex_);
  ConnectionThread& self = threads_.emplace_back();
  try {
    self.thread = os::Thread([this, &self, owned = std::move(*socket)]() mutable {
      run_thread(self, std::move(owned));
    });
  } catch (const std::system_error& error) {
    threads_.pop_back();
    connection_ended();
    shared_.refused.fetch_add(1, std::memory_order_relaxed);
    if (!std::exchange(exhausted_, true)) {
      shared_.options.log(fmt::format("a connection was refused: no thread: {}", error.what()));
    }
  }
}

void Worker::run_thread(ConnectionThread& self, os::UniqueFd socket) {
  os::name_thread("connection");
  {
    auto driver = make_driver(io_.driver().name());
    Io io(std::move(*driver));
    io.set_home(io_);
    if (shared_.options.idle_timeout > 0ns) io.set_idle_timeout(shared_.options.idle_timeout);
    {
      const std::lock_guard lock(threads_mutex_);
      self.io = &io;
      if (drained_) io.post([&io] { io.drain(); });
      if (cut_) io.post([&io] { io.cancel_all(); });
    }
    auto whole = [&]() -> Task<> {
      auto stream = io.adopt(std::move(socket));
      if (stream) co_await shared_.handler(io, std::move(*stream));
    };
    try {
      io.run(whole());
    } catch (...) {
      shared_.handler_threw(std::current_exception());
    }
    const std::lock_guard lock(threads_mutex_);
    self.io = nullptr;
  }
  io_.post([this, &self] {
    const std::lock_guard lock(threads_mutex_);
    self.ended = true;
    ++threads_ended_;
    connection_ended();
  });
}

void Worker::reap_threads(bool all) {
  std::list<ConnectionThread> ended;
  {
    const std::lock_guard lock(threads_mutex_);
    if (!all && threads_ended_ == 0) return;
    threads_ended_ = 0;
    for (auto it = threads_.begin(); it != threads_.end();) {
      auto next = std::next(it);
      if (all || it->ended) ended.splice(ended.end(), threads_, it);
      it = next;
    }
  }
  for (ConnectionThread& thread : ended) thread.thread.join();
}

void Worker::stop() {
  const std::lock_guard lock(stop_mutex_);
  const int call = ++stops_;
  if (!running_) return;
  io_.post([this, call] {
    stopping_ = true;
    if (accepting_) accepting_->cancel();
    if (call > 1) impatient_ = true;
    if (impatient_ && draining_) draining_->cancel();
    if (main_job_) io_.unpark(*main_job_);  // else it has not begun yet
  });
}

void Worker::begin_drain() {
  const std::lock_guard lock(threads_mutex_);
  drained_ = true;
  io_.drain();
  for (ConnectionThread& thread : threads_) {
    if (Io* io = thread.io) io->post([io] { io->drain(); });
  }
}

void Worker::begin_cut() {
  const std::lock_guard lock(threads_mutex_);
  cut_ = true;
  for (ConnectionThread& thread : threads_) {
    if (Io* io = thread.io) io->post([io] { io->cancel_all(); });
  }
  if (threads_.empty()) connections_->cancel();
}

}  // namespace polyio
