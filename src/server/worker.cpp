#include "worker.hpp"

#include <future>
#include <polyio/io/watchdog.hpp>

#include "cleared.hpp"
#include "retry_for_memory.hpp"

namespace polyio {
namespace {

using Step = Ending::Step;

}  // namespace

Worker::Worker(ServerShared& shared, WaitingRoom& room, unsigned index)
    : shared_(shared),
      room_(room),
      one_at_a_time_(shared.dials.architecture == Architecture::iterative),
      ending_(io_, shared.options.drain_timeout, [this](Step step) { take_step(step); }),
      io_(new_driver(shared.dials.model)),
      beside_(io_, stopping_, index) {
  // A handler can't have a second task where connections are served one after the other.
  if (one_at_a_time_) io_.lend_no_threads();
  shared.set_up(io_);
  io_.set_work_failed([this](const std::exception_ptr& error) {
    shared_.count_failure("what was posted to a loop", error);
  });
  const Dials& dials = shared.dials;
  if (!serves_in_threads(dials.architecture)) return;
  const bool pool = dials.architecture == Architecture::thread_pool;
  ThreadCrew::Owner& owner = *this;
  crew_.emplace(shared_, room_, owner, io_, pool ? std::optional(dials.workers) : std::nullopt);
}

Worker::~Worker() = default;

std::unique_ptr<Driver> Worker::new_driver(const std::string& model) const {
  return shared_.new_driver(model, serves_in_threads(shared_.dials.architecture) || one_at_a_time_);
}

// The promise is the posted work's alone, so that it breaks when the run ends before it comes to
// that. By the loop's second turn with the new driver all operations have been started anew.
Nanoseconds Worker::set_driver(std::unique_ptr<Driver> next) {
  struct Change {
    std::unique_ptr<Driver> driver;
    std::promise<Nanoseconds> pause;
  };
  auto change = std::make_shared<Change>(std::move(next), std::promise<Nanoseconds>());
  std::future<Nanoseconds> pause = change->pause.get_future();
  const bool runs = ending_.post([this, change = std::move(change)] {
    const TimePoint began = monotonic_now();
    if (const auto set = io_.set_driver(std::move(change->driver)); !set) {
      return change->pause.set_exception(
          std::make_exception_ptr(std::system_error(set.error(), "the model can't be changed")));
    }
    io_.post([change, began] { change->pause.set_value(monotonic_now() - began); });
  });
  try {
    if (runs) return pause.get();
  } catch (const std::future_error&) {  // NOLINT(bugprone-empty-catch): it runs no more
  }
  throw std::system_error(errno_code(ECANCELED), "the server does not run");
}

void Worker::run(const Dispatch& dispatch) {
  std::optional<Watchdog> watchdog;
  if (const auto limit = shared_.options.watchdog; limit > Nanoseconds::zero()) {
    watchdog.emplace(io_, limit,
                     [this](std::string_view line) { shared_.log({line, LogLevel::warning}); });
  }
  io_.run(main(dispatch));
  watchdog.reset();
  if (crew_) crew_->end();
}

// A connection may be on its way here from another worker when all others have ended.
Task<> Worker::main(const Dispatch& dispatch) {
  main_job_ = &io_.current();
  const Cleared main_job(main_job_);
  const Ending::Run run(ending_);
  const Cleared background(background_);
  auto serving = [&](TaskGroup& group) { return serve_beside(group, dispatch); };
  co_await with_task_group(io_, serving);
  while (!ending_.finish_if([this] { return load() == 0; })) {
    auto parked = co_await io_.park();
    (void)parked;
  }
}

Task<> Worker::serve_beside(TaskGroup& background, const Dispatch& dispatch) {
  background_ = &background;
  background.supervise(background_end_);
  for (const BackgroundTask& task : shared_.options.background) start_beside(background, task);
  while (not_begun_ > 0) {
    auto parked = co_await io_.park();
    (void)parked;
  }
  auto serving = [&](TaskGroup& connections) { return serve_all(connections, dispatch); };
  co_await with_task_group(io_, serving);
  stopping_.set();
  if (ending_.reached(Step::cut)) cut_background();
}

void Worker::start_beside(TaskGroup& background, const BackgroundTask& task) {
  Task<> made;
  try {
    made = task(beside_);
  } catch (...) {  // it is no coroutine, or there is no memory for its frame
    return background_end_.task_ended(std::current_exception());
  }
  ++not_begun_;
  auto started = background.spawn(&Worker::run_beside, this, std::move(made));
  if (!started) throw std::system_error(started.error(), "a background task can't be started");
}

Task<> Worker::run_beside(Task<> task) {
  if (--not_begun_ == 0) wake_main();
  co_await task;
}

Task<> Worker::serve_all(TaskGroup& connections, const Dispatch& dispatch) {
  connections_ = &connections;
  const Cleared cleared(connections_);
  connections.supervise(*this);
  if (!acceptors_.empty()) co_await accept_all(dispatch);
  while (!ending_.reached(Step::retire)) {
    auto parked = co_await io_.park();
    if (!parked) break;
  }
  while (load() > 0 && !ending_.reached(Step::drain)) {
    auto parked = co_await io_.park();
    if (!parked) break;
  }
  room_.close();
  drain();
  // Another worker may hand over a connection even now: it has the same time as the others.
  bool was_cut = false;
  while (load() > 0 && !connections.cancelled()) {  // once cancelled, the group waits for them
    if (!was_cut && ending_.reached(Step::cut)) {
      was_cut = true;
      cut();
      continue;
    }
    auto parked = co_await io_.park();
    (void)parked;
  }
}

Task<> Worker::accept_all(const Dispatch& dispatch) {
  if (acceptors_.size() == 1) co_return co_await accept_from(acceptors_.front(), dispatch);
  auto side_by_side = [&](TaskGroup& group) -> Task<> {
    for (Acceptor& acceptor : acceptors_) {
      auto started = group.spawn(&Worker::accept_from, this, acceptor, dispatch);
      if (!started) throw std::system_error(started.error(), "can't accept on all addresses");
    }
    co_return;
  };
  co_await with_task_group(io_, side_by_side);
}

struct Worker::OneServed {
  Worker& worker;
  ~OneServed() {
    worker.load_.store(0);
    (void)worker.room_.give_up_place();
  }
};

Task<> Worker::accept_from(Acceptor& acceptor, const Dispatch& dispatch) {
  for (;;) {
    try {
      auto socket = co_await acceptor.next();
      if (!socket) co_return;
      if (!one_at_a_time_) {
        dispatch(std::move(*socket));
        continue;
      }
      load_.store(1);
      const OneServed one{*this};
      co_await serve_connection(shared_, io_, std::move(*socket));
    } catch (const std::bad_alloc& error) {  // not even for accepting
      shared_.refuse({}, error.what());
      std::this_thread::sleep_for(memory_pause);
    }
  }
}

// --- connections ---

void Worker::serve(os::UniqueFd socket) {
  load_.fetch_add(1);
  if (crew_) return crew_->serve(std::move(socket));
  start(std::move(socket));
}

// Counted at once, so that a burst of connections is spread while the posts are on their way.
void Worker::take(os::UniqueFd socket) {
  if (!ending_.unless_over([this] { load_.fetch_add(1); })) {
    shared_.refuse(std::move(socket), "the server is stopping");
    (void)room_.give_up_place();
    return;
  }
  try {
    io_.post([this, owned = std::move(socket)]() mutable { start(std::move(owned)); });
  } catch (const std::bad_alloc& error) {
    shared_.refuse({}, error.what());
    while (auto next = room_.give_up_place()) shared_.refuse(std::move(*next), error.what());
    connection_left();
  }
}

void Worker::start(os::UniqueFd socket) {
  if (!start_one(std::move(socket))) connection_ended();
}

// True: task_ended() will be called at its end.
bool Worker::start_one(os::UniqueFd socket) {
  if (!connections_) {  // handed over when this worker had nothing more to do
    shared_.refuse(std::move(socket), "the server is stopping");
    return false;
  }
  try {
    auto stream = shared_.adopt(io_, std::move(socket));
    if (!stream) return false;
    const int fd = stream->descriptor();
    const Handler& handler = shared_.handler_of(fd);
    if (connections_->spawn_serving(fd, std::cref(handler), io_, std::move(*stream))) return true;
    shared_.refuse({}, "no task can be had");
  } catch (...) {  // the handler is no coroutine, or there is no memory for its frame
    shared_.handler_threw(std::current_exception());
  }
  return false;
}

void Worker::task_ended(const std::exception_ptr& exception) noexcept {
  if (exception) shared_.handler_threw(exception);
  connection_ended();
}

// The connection that has waited longest follows, on this worker, which has one less now.
void Worker::connection_ended() {
  while (auto next = room_.give_up_place()) {
    if (start_one(std::move(*next))) return;
  }
  connection_left();
}

// From another thread the main job may be gone by now, unless the Io is asked.
void Worker::connection_left() noexcept {
  load_.fetch_sub(1);
  if (ending_.reached(Step::retire)) ending_.post([this] { wake_main(); });
}

void Worker::look_again() {
  ending_.post([this] {
    for (Acceptor& acceptor : acceptors_) acceptor.look_again();
  });
}

// --- its end ---

// The main job takes the steps, once it has accepted the last connections; but where it serves them
// itself it may sit in a handler now.
void Worker::take_step(Step step) {
  if (step == Step::retire) {
    for (Acceptor& acceptor : acceptors_) {
      acceptor.interrupt();
      if (one_at_a_time_ && !acceptor.waits()) acceptor.close();
    }
  } else if (one_at_a_time_) {
    step == Step::drain ? drain() : cut();
  }
  if (step == Step::cut && stopping_.is_set()) cut_background();
  if (!one_at_a_time_) wake_main();
}

void Worker::drain() {
  retry_for_memory([this] { io_.drain(); });
  if (crew_) crew_->stop(Step::drain);
}

// The threads of a crew count what they cut.
void Worker::cut() {
  if (crew_) return crew_->stop(Step::cut);
  shared_.counters().cut.fetch_add(load(), std::memory_order_relaxed);
  if (connections_) retry_for_memory([this] { connections_->cancel(); });
}

// Those that have not ended once the last handler has.
void Worker::cut_background() {
  if (!background_) return;
  shared_.counters().cut.fetch_add(background_->running(), std::memory_order_relaxed);
  retry_for_memory([this] { background_->cancel(); });
}

void Worker::wake_main() {
  if (main_job_) io_.unpark(*main_job_);
}

}  // namespace polyio
