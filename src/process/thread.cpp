#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <polyio/os/line_log.hpp>
#include <polyio/os/signals.hpp>
#include <polyio/process/thread.hpp>
#include <system_error>
#include <thread>

#include "life.hpp"

namespace polyio::process {

// Shared by the Thread and the thread itself, either of which may live longer.
struct Thread::State {
  ThreadOptions options;
  std::move_only_function<void()> target;
  std::atomic<pid_t> native_id{0};

  std::mutex mutex;
  std::condition_variable changed;
  bool started = false;
  bool ended = false;
  std::thread thread;  // joinable until the first join() that saw the end
};

namespace {

using SharedState = std::shared_ptr<Thread::State>;

// Never destroyed: threads may end after the statics.
struct Registry {
  std::mutex mutex;
  std::vector<SharedState> running;
};
std::atomic<bool> used{false};
Registry& registry() {
  static Registry* const only = [] {
    auto only_one = std::make_unique<Registry>();
    // In a forked child only the thread that forked goes on.
    const int error =
        ::pthread_atfork([] { registry().mutex.lock(); }, [] { registry().mutex.unlock(); },
                         [] {
                           // Their std::threads can be neither joined nor destroyed there.
                           new std::vector<SharedState>(std::move(registry().running));
                           registry().running.clear();
                           registry().mutex.unlock();
                         });
    if (error) throw std::system_error(error, std::generic_category(), "pthread_atfork");
    used = true;
    return only_one.release();
  }();
  return *only;
}

thread_local Thread::State* this_thread = nullptr;
std::atomic<unsigned> made{0};

void run_thread(const SharedState& state, std::move_only_function<void()> body) {
  this_thread = state.get();
  os::name_thread(state->options.name.substr(0, 15).c_str());
  {
    const std::lock_guard lock(state->mutex);
    state->native_id = ::gettid();
    state->started = true;
  }
  state->changed.notify_all();
  try {
    body();
  } catch (...) {
    os::write_exception_to_stderr(state->options.name);
  }
  body = nullptr;  // released before the end is announced
  {
    Registry& all = registry();
    const std::lock_guard lock(all.mutex);
    std::erase(all.running, state);
  }
  const std::lock_guard lock(state->mutex);
  state->ended = true;
  state->changed.notify_all();
}

}  // namespace

Thread::Thread(ThreadOptions options) : state_(std::make_shared<State>()) {
  if (options.name.empty()) options.name = "Thread-" + std::to_string(++made);
  state_->options = std::move(options);
}

Thread::~Thread() {
  if (state_ && state_->thread.joinable()) state_->thread.detach();
}

void Thread::set_target(std::move_only_function<void()> target) {
  state_->target = std::move(target);
}

void Thread::run() {
  if (state_->target) state_->target();
}

Result<> Thread::start() {
  if (state_->thread.joinable() || state_->native_id != 0) return fail(Errc::already_started);
  const bool is_function = typeid(*this) == typeid(Thread);
  if (is_function && !state_->target) return fail(Errc::no_target);
  // The thread refers to a function itself, and to a subclass's object only by `this`.
  std::move_only_function<void()> body;
  if (is_function) {
    body = std::move(state_->target);
  } else {
    body = [this] { run(); };
  }
  try {
    detail::at_end_of_program();
    Registry& all = registry();
    const std::lock_guard lock(all.mutex);
    all.running.push_back(state_);
    try {
      state_->thread = std::thread(
          [state = state_, run = std::move(body)]() mutable { run_thread(state, std::move(run)); });
    } catch (...) {
      all.running.pop_back();
      throw;
    }
  } catch (const std::system_error& error) {
    return fail(error.code());
  } catch (const std::bad_alloc&) {
    return fail(ENOMEM);
  }
  std::unique_lock lock(state_->mutex);
  state_->changed.wait(lock, [this] { return state_->started; });
  return {};
}

Result<> Thread::join(Deadline deadline) {
  if (state_->native_id == 0) return fail(Errc::not_started);
  if (this_thread == state_.get()) return fail(Errc::joins_itself);
  std::unique_lock lock(state_->mutex);
  const auto ended = [this] { return state_->ended; };
  if (deadline == never) {
    state_->changed.wait(lock, ended);
  } else if (!state_->changed.wait_until(lock, deadline, ended)) {
    return fail(ETIMEDOUT);
  }
  if (state_->thread.joinable()) {
    std::thread thread = std::move(state_->thread);
    lock.unlock();  // its last lines need it
    thread.join();
  }
  return {};
}

bool Thread::is_alive() const {
  const std::lock_guard lock(state_->mutex);
  return state_->started && !state_->ended;
}

pid_t Thread::native_id() const { return state_->native_id; }
const std::string& Thread::name() const noexcept { return state_->options.name; }
bool Thread::daemon() const noexcept { return state_->options.daemon; }

Result<> Thread::set_name(std::string name) {
  if (state_->native_id != 0) return fail(Errc::too_late);
  state_->options.name = std::move(name);
  return {};
}

Result<> Thread::set_daemon(bool daemon) {
  if (state_->native_id != 0) return fail(Errc::too_late);
  state_->options.daemon = daemon;
  return {};
}

ThreadInfo current_thread() {
  const pid_t id = ::gettid();
  if (this_thread) return {this_thread->options.name, id, this_thread->options.daemon};
  if (id == ::getpid()) return {"MainThread", id, false};
  return {"Dummy-" + std::to_string(id), id, true};
}

std::vector<ThreadInfo> enumerate() {
  std::vector<ThreadInfo> threads{{"MainThread", ::getpid(), false}};
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  for (const SharedState& state : all.running) {
    if (state->native_id == 0) continue;  // in its start()
    threads.push_back({state->options.name, state->native_id, state->options.daemon});
  }
  return threads;
}

std::size_t active_count() { return enumerate().size(); }

void detail::join_threads() noexcept {
  if (!used) return;
  Registry& all = registry();
  for (;;) {
    SharedState next;
    {
      const std::lock_guard lock(all.mutex);
      const auto found = std::ranges::find_if(all.running, [](const SharedState& state) {
        return !state->options.daemon && state.get() != this_thread;
      });
      if (found == all.running.end()) return;
      next = *found;
    }
    std::unique_lock lock(next->mutex);
    next->changed.wait(lock, [&] { return next->ended; });
  }
}

}  // namespace polyio::process
