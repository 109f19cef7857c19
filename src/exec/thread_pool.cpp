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

Result<> ThreadPoolExecutor::add_thread() {
  try {
    if (watch_) watch_->start();
    threads_.start(options_.name, [this] {
      if (options_.nice != 0) os::be_nice(options_.nice);
      serve();
    });
    ++serving_;
  } catch (const std::exception&) {  // no thread, or no memory for one
    // Those that run already will come to it; without any it would wait for ever.
    if (there_are() == 0) return fail(EAGAIN);
  }
  return {};
}

Result<> ThreadPoolExecutor::queue(FutureState& work, bool may_wait) {
  may_wait = may_wait && detail::pool_of_this_thread != this;
  std::unique_lock lock(mutex_);
  if (auto place = line_.wait_for_place(lock, may_wait); !place) return place;
  if (line_.closed()) return fail(EPIPE);
  const bool wanted = line_.size() >= idle_ && serving_ < options_.threads;
  const bool by_watch = watch_ && there_are() > 0;
  if (wanted && !by_watch) {
    if (auto added = add_thread(); !added) return added;
  }
  work.pool = this;
  work.share();
  line_.push_back(work);
  const bool wakes = idle_ > 0;
  lock.unlock();  // first: the kernel may give the processor to the one that is woken at once
  if (wakes) changed_.notify_one();
  if (wanted && by_watch) watch_->look_again();
  return {};
}

void ThreadPoolExecutor::serve() {
  detail::pool_of_this_thread = this;
  std::unique_lock lock(mutex_);
  std::optional<Watch::Worker> self;
  if (watch_) watch_->add(self.emplace());
  for (;;) {
    while (FutureState* const work = line_.pop()) {
      if (self) watch_->begins(*self);
      lock.unlock();
      if (work->begin()) work->run();
      work->release();
      lock.lock();
      if (self && !watch_->ends(*self)) return;
    }
    if (line_.closed()) break;
    ++idle_;
    changed_.wait(lock);
    --idle_;
  }
  --serving_;
}

void ThreadPoolExecutor::shutdown(Shutdown how) {
  POLYIO_RULE(detail::pool_of_this_thread != this, "a pool is not shut down by its own threads");
  {
    const std::lock_guard lock(mutex_);
    line_.close();
    changed_.notify_all();
  }
  if (how.cancel_pending) {
    for (;;) {
      std::unique_lock lock(mutex_);
      FutureState* const work = line_.pop();
      if (!work) break;
      lock.unlock();
      (void)work->cancel();
      work->release();
    }
    if (watch_) watch_->look_again();
  }
  if (!how.wait) return;
  const std::lock_guard lock(joining_);
  if (watch_) watch_->join();
  threads_.join_all();
}

unsigned ThreadPoolExecutor::there_are() const noexcept {
  return serving_ + (watch_ ? watch_->demoted() : 0);
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
