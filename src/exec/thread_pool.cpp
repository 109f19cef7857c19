#include <algorithm>
#include <polyio/exec/thread_pool.hpp>
#include <system_error>
#include <thread>

namespace polyio {

using detail::FutureState;

ThreadPoolExecutor::ThreadPoolExecutor(ThreadPoolOptions options)
    : options_(std::move(options)), threads_(options_.stack_bytes) {
  if (!options_.threads) options_.threads = std::max(1u, std::thread::hardware_concurrency());
}

ThreadPoolExecutor::~ThreadPoolExecutor() {
  POLYIO_ASSERT(!immortal_);
  shutdown();
}

ThreadPoolExecutor& ThreadPoolExecutor::shared() {
  static ThreadPoolExecutor& pool = immortal({});
  return pool;
}

ThreadPoolExecutor& ThreadPoolExecutor::immortal(ThreadPoolOptions options) {
  auto* pool = new ThreadPoolExecutor(std::move(options));
  pool->immortal_ = true;
  return *pool;
}

Result<> ThreadPoolExecutor::add_thread() {
  try {
    threads_.start(options_.name, [this] {
      if (options_.nice != 0) os::be_nice(options_.nice);
      serve();
    });
  } catch (const std::exception&) {  // no thread, or no memory for one
    // Those that run already will come to it; without any it would wait for ever.
    if (threads_.size() == 0) return fail(EAGAIN);
  }
  return {};
}

// Works that were cancelled in line stay there until it is swept.
void ThreadPoolExecutor::sweep() noexcept {
  FutureState* work = std::exchange(first_, nullptr);
  last_ = nullptr;
  waiting_ = 0;
  while (work) {
    FutureState* const next = std::exchange(work->next_in_line, nullptr);
    if (work->ended()) {
      work->release();
    } else {
      push(*work);
    }
    work = next;
  }
}

// A sweep that made no room is not tried again at once, so that refusing costs 64 steps at most.
bool ThreadPoolExecutor::full() noexcept {
  if (waiting_ < options_.queue) return false;
  if (unswept_ > 0) {
    --unswept_;
    return true;
  }
  sweep();
  unswept_ = waiting_ < options_.queue ? 0 : waiting_ / 64;
  return waiting_ >= options_.queue;
}

void ThreadPoolExecutor::push(FutureState& work) noexcept {
  (last_ ? last_->next_in_line : first_) = &work;
  last_ = &work;
  ++waiting_;
}

FutureState* ThreadPoolExecutor::pop() noexcept {
  FutureState* const work = first_;
  if (!work) return nullptr;
  first_ = std::exchange(work->next_in_line, nullptr);
  if (!first_) last_ = nullptr;
  --waiting_;
  if (detail::Waiter* waiter = places_.pop_front()) waiter->end();
  return work;
}

// A submit's wait for a place in line. The work that ends the wait leaves its place to it.
class ThreadPoolExecutor::Place : public detail::Waiter {
 public:
  explicit Place(ThreadPoolExecutor& pool) noexcept : Waiter(pool.mutex_), pool_(pool) {}
  Result<> value() noexcept { return {}; }

 protected:
  bool take() override { return pool_.ending_ || !pool_.full(); }
  void queue() noexcept override { pool_.places_.push_back(*this); }

 private:
  ThreadPoolExecutor& pool_;
};

Result<> ThreadPoolExecutor::queue(FutureState& work, bool may_wait) {
  may_wait = may_wait && detail::pool_of_this_thread != this;
  std::unique_lock lock(mutex_);
  while (!ending_ && full()) {
    if (!may_wait) return fail(EAGAIN);
    lock.unlock();
    auto place = detail::ThreadWait<Place>(*this)(never);
    if (!place) return fail(EAGAIN);  // on the thread of a loop
    lock.lock();
  }
  if (ending_) return fail(EPIPE);
  if (waiting_ >= idle_ && threads_.size() < options_.threads) {
    if (auto added = add_thread(); !added) return added;
  }
  work.pool = this;
  work.share();
  push(work);
  if (idle_ > 0) changed_.notify_one();
  return {};
}

void ThreadPoolExecutor::serve() {
  detail::pool_of_this_thread = this;
  std::unique_lock lock(mutex_);
  for (;;) {
    while (FutureState* work = pop()) {
      lock.unlock();
      if (work->begin()) work->run();
      work->release();
      lock.lock();
    }
    if (ending_) return;
    ++idle_;
    changed_.wait(lock);
    --idle_;
  }
}

void ThreadPoolExecutor::shutdown(Shutdown how) {
  POLYIO_RULE(detail::pool_of_this_thread != this, "a pool is not shut down by its own threads");
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    changed_.notify_all();
    while (detail::Waiter* waiter = places_.pop_front()) waiter->end();
  }
  if (how.cancel_pending) {
    for (;;) {
      std::unique_lock lock(mutex_);
      FutureState* const work = pop();
      if (!work) break;
      lock.unlock();
      (void)work->cancel();
      work->release();
    }
  }
  if (!how.wait) return;
  const std::lock_guard lock(joining_);
  threads_.join_all();
}

unsigned ThreadPoolExecutor::threads() const { return static_cast<unsigned>(threads_.size()); }

std::size_t ThreadPoolExecutor::waiting() const {
  const std::lock_guard lock(mutex_);
  std::size_t count = 0;
  for (const FutureState* work = first_; work; work = work->next_in_line) count += !work->ended();
  return count;
}

std::size_t ThreadPoolExecutor::capacity() const { return options_.threads; }

}  // namespace polyio
