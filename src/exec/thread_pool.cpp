#include <algorithm>
#include <polyio/exec/thread_pool.hpp>
#include <system_error>
#include <thread>

namespace polyio {

ThreadPool::ThreadPool(ThreadPoolOptions options)
    : options_(std::move(options)), threads_(options_.stack_bytes) {
  if (!options_.threads) options_.threads = std::max(1u, std::thread::hardware_concurrency());
}

ThreadPool::~ThreadPool() {
  POLYIO_ASSERT(!immortal_);
  {
    const std::lock_guard lock(mutex_);
    POLYIO_ASSERT(line_.empty());
    ending_ = true;
    changed_.notify_all();
  }
  threads_.join_all();
}

ThreadPool& ThreadPool::shared() {
  static ThreadPool& pool = immortal({});
  return pool;
}

ThreadPool& ThreadPool::immortal(ThreadPoolOptions options) {
  auto* pool = new ThreadPool(std::move(options));
  pool->immortal_ = true;
  return *pool;
}

Result<> ThreadPool::add_thread() {
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

Result<> ThreadPool::queue(Work& work, Request& waiter, std::shared_ptr<Work> self) {
  POLYIO_ASSERT(work.state_ == Work::State::idle);
  if (waiting_ >= options_.queue) return fail(EAGAIN);
  if (waiting_ >= idle_ && threads_.size() < options_.threads) {
    if (auto added = add_thread(); !added) return added;
  }
  work.state_ = Work::State::queued;
  work.waiter_ = &waiter;
  work.self_ = std::move(self);
  line_.push_back(work);
  ++waiting_;
  changed_.notify_one();
  return {};
}

void ThreadPool::serve() {
  std::unique_lock lock(mutex_);
  for (;;) {
    while (Work* work = line_.pop_front()) {
      --waiting_;
      work->state_ = Work::State::begun;
      std::shared_ptr<Work> self = std::move(work->self_);
      lock.unlock();
      work->run();
      lock.lock();
      work->state_ = Work::State::done;
      if (work->waiter_) work->waiter_->end();
      if (!self) continue;
      lock.unlock();
      self.reset();  // may be the last share
      lock.lock();
    }
    if (ending_) return;
    ++idle_;
    changed_.wait(lock);
    --idle_;
  }
}

// False: it has begun.
bool ThreadPool::take_out(Work& work) noexcept {
  if (work.state_ != Work::State::queued) return false;
  work.unlink();
  --waiting_;
  work.state_ = Work::State::idle;
  return true;
}

void ThreadPool::Request::queue() noexcept {
  if (auto queued = pool_.queue(work_, *this, nullptr); !queued) refuse(queued.error());
}

void ThreadPool::SharedRequest::queue() noexcept {
  if (auto queued = pool_.queue(work_, *this, share_); !queued) refuse(queued.error());
}

bool ThreadPool::SharedRequest::withdraw() noexcept {
  if (pool_.take_out(work_)) work_.self_.reset();  // `share_` is another: not the last one
  work_.waiter_ = nullptr;
  return true;
}

unsigned ThreadPool::threads() const { return static_cast<unsigned>(threads_.size()); }

std::size_t ThreadPool::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiting_;
}

std::size_t ThreadPool::capacity() const { return options_.threads; }

}  // namespace polyio
