#include <polyio/exec/thread_pool.hpp>

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <thread>

#include "pool_watch.hpp"

namespace polyio {

using detail::FutureState;

namespace {

ThreadPoolOptions settled(ThreadPoolOptions options) {
  if (!options.threads) options.threads = std::max(1u, std::thread::hardware_concurrency());
  if (options.policy == sched::Kind::sjf) {
    throw std::invalid_argument(
        "policy sjf: nothing tells a pool how long a work will take, and none comes twice; use "
        "mlfq, which needs to know nothing");
  }
  if (options.policy == sched::Kind::rr) {
    throw std::invalid_argument(
        "policy rr: each work has a thread until it ends, and the kernel lets threads take turns "
        "as it is; use fcfs, with more threads, or mlfq");
  }
  if (options.quantum.count() <= 0) throw std::invalid_argument("a quantum is more than 0");
  return options;
}

}  // namespace

ThreadPoolExecutor::ThreadPoolExecutor(ThreadPoolOptions options)
    : options_(settled(std::move(options))),
      line_(mutex_, options_.queue),
      // One that spins yields, and works in the background would not give the processor back soon.
      crew_(mutex_, line_, options_.threads, options_.policy == sched::Kind::fcfs),
      watch_(options_.policy == sched::Kind::mlfq ? std::make_unique<Watch>(*this) : nullptr),
      threads_(options_.stack_bytes) {}

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

// Errors: EAGAIN, there is no thread and none can be had.
Result<> ThreadPoolExecutor::want_thread() {
  if (!watch_ || there_are() == 0) return add_thread();
  watch_->ask();
  return {};
}

Result<> ThreadPoolExecutor::add_thread() {
  try {
    if (watch_) watch_->start();
    threads_.start(options_.name, [this] {
      if (options_.nice != 0) os::be_nice(options_.nice);
      serve();
    });
    crew_.join();
  } catch (const std::exception&) {  // no thread, or no memory for one
    // Those that run already will come to it; without any it would wait for ever.
    if (there_are() == 0) return fail(EAGAIN);
  }
  return {};
}

Result<> ThreadPoolExecutor::queue(FutureState& work, bool may_wait) {
  work.pool = this;
  work.share_first();
  std::size_t in_line = line_.post(work);
  if (in_line == 0) {
    std::unique_lock lock(mutex_);
    may_wait = may_wait && detail::pool_of_this_thread != this;
    if (auto place = line_.take_place(lock, may_wait); !place) {
      work.release();
      return place;
    }
    line_.push_back(work);
    in_line = line_.size();
  }
  auto called = crew_.call(in_line, [this] { return want_thread(); });
  if (called) return {};
  const std::lock_guard lock(mutex_);
  if (!line_.sweep(&work)) return {};  // it was cancelled
  work.release();
  return called;
}

void ThreadPoolExecutor::serve() {
  detail::pool_of_this_thread = this;
  std::unique_lock lock(mutex_);
  std::optional<Watch::Worker> self;
  if (watch_) watch_->add(self.emplace());
  detail::Crew<FutureState>::Member member;
  while (FutureState* const work = crew_.next(lock, member)) {
    if (self) watch_->begins(*self);
    lock.unlock();
    if (work->begin()) work->run();
    work->release();
    lock = os::lock_spinning(mutex_);
    if (self && !watch_->ends(*self)) return;
  }
}

void ThreadPoolExecutor::shutdown(Shutdown how) {
  POLYIO_RULE(detail::pool_of_this_thread != this, "a pool is not shut down by its own threads");
  {
    const std::lock_guard lock(mutex_);
    line_.close();
    crew_.wake_all();
  }
  if (how.cancel_pending) {
    for (;;) {
      std::unique_lock lock(mutex_);
      FutureState* const work = line_.pop();
      if (!work) {
        if (watch_) watch_->ask();
        break;
      }
      lock.unlock();
      (void)work->cancel();
      work->release();
    }
  }
  if (!how.wait) return;
  const std::lock_guard lock(joining_);
  if (watch_) watch_->join();
  threads_.join_all();
}

unsigned ThreadPoolExecutor::there_are() const noexcept {
  return crew_.serving() + (watch_ ? watch_->demoted() : 0);
}

unsigned ThreadPoolExecutor::threads() const {
  const std::lock_guard lock(mutex_);
  return there_are();
}

std::size_t ThreadPoolExecutor::waiting() const {
  const std::lock_guard lock(mutex_);
  return line_.pending();
}

std::size_t ThreadPoolExecutor::capacity() const { return options_.threads; }

}  // namespace polyio
