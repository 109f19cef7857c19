// Empty tasks on two threads, by polyio's ThreadPoolExecutor and by others, and making, setting and
// reading a future. bench/pools runs it. pool SUBJECT MODE COUNT: prints the rate and CPU per task.
//   tasks      one thread submits COUNT tasks that count themselves, and waits for the last
//   roundtrip  COUNT times: submit one, wait for its result
//   future     COUNT times: make a promise and its future, set it, read it; no thread else
#include <fmt/format.h>
#include <sys/resource.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>

#include <asio/post.hpp>
#include <asio/thread_pool.hpp>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <functional>
#include <future>
#include <mutex>
#include <polyio/exec/thread_pool.hpp>
#include <string_view>
#include <thread>

namespace {

constexpr unsigned threads = 2;

// The usual one: a deque of std::function under a mutex, a condition variable.
class PlainPool {
 public:
  PlainPool() {
    for (unsigned i = 0; i < threads; ++i) workers_.emplace_back([this] { serve(); });
  }
  ~PlainPool() {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    changed_.notify_all();
    for (std::thread& worker : workers_) worker.join();
  }
  void post(std::function<void()> task) {
    {
      const std::lock_guard lock(mutex_);
      tasks_.push_back(std::move(task));
    }
    changed_.notify_one();
  }

 private:
  void serve() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [&] { return ending_ || !tasks_.empty(); });
      if (tasks_.empty()) return;
      const std::function<void()> task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
      lock.lock();
    }
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;
  std::vector<std::thread> workers_;
  bool ending_ = false;
};

// Waits until it was passed `count` times.
class Countdown {
 public:
  explicit Countdown(long count) : left_(count) {}
  void pass() {
    if (left_.fetch_sub(1, std::memory_order_acq_rel) == 1) left_.notify_one();
  }
  void wait() {
    for (long left = left_; left > 0; left = left_) left_.wait(left);
  }

 private:
  std::atomic<long> left_;
};

// Post: posts a function.
template <class Post>
void run_posts(std::string_view mode, long count, Post post) {
  if (mode == "tasks") {
    Countdown all(count);
    for (long i = 0; i < count; ++i) post([&all] { all.pass(); });
    return all.wait();
  }
  for (long i = 0; i < count; ++i) {
    auto task = std::make_shared<std::packaged_task<long()>>([i] { return i; });
    auto future = task->get_future();
    post([task] { (*task)(); });
    if (future.get() != i) std::abort();
  }
}

void run_polyio(std::string_view mode, long count) {
  polyio::ThreadPoolExecutor pool({.threads = threads, .queue = std::size_t(count)});
  if (mode == "tasks") {
    Countdown all(count);
    for (long i = 0; i < count; ++i) (void)pool.submit([&all] { all.pass(); });
    return all.wait();
  }
  for (long i = 0; i < count; ++i) {
    if (pool.submit([i] { return i; }).result() != i) std::abort();
  }
}

void run_tbb(std::string_view mode, long count) {
  tbb::task_arena arena(threads + 1);  // it counts the one that submits
  arena.execute([&] {
    tbb::task_group group;
    std::atomic<long> done{0};
    for (long i = 0; i < count; ++i) {
      group.run([&] { done.fetch_add(1, std::memory_order_relaxed); });
      if (mode == "roundtrip") group.wait();
    }
    group.wait();
    if (done != count) std::abort();
  });
}

template <class Promise, class Get>
void run_future(long count, Get get) {
  for (long i = 0; i < count; ++i) {
    Promise promise;
    auto future = get(promise);
    promise.set_value(i);
    if constexpr (requires { future.result(); }) {
      if (future.result() != i) std::abort();
    } else {
      if (future.get() != i) std::abort();
    }
  }
}

void run(std::string_view subject, std::string_view mode, long count) {
  if (mode == "future" && subject == "polyio") {
    return run_future<polyio::Promise<long>>(count, [](auto& promise) { return promise.future(); });
  }
  if (mode == "future") {
    return run_future<std::promise<long>>(count,
                                          [](auto& promise) { return promise.get_future(); });
  }
  if (subject == "polyio") return run_polyio(mode, count);
  if (subject == "tbb") return run_tbb(mode, count);
  if (subject == "plain") {
    PlainPool pool;
    return run_posts(mode, count, [&](auto task) { pool.post(task); });
  }
  if (subject != "asio") std::exit(2);
  asio::thread_pool pool(threads);
  run_posts(mode, count, [&](auto task) { asio::post(pool, task); });
}

double cpu_seconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  return double(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
         double(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const long count = std::atol(argv[3]);
  const auto begin = std::chrono::steady_clock::now();
  const double cpu = cpu_seconds();
  run(argv[1], argv[2], count);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  fmt::print("{{\"rate\": {:.0f}, \"cpu_ns\": {:.1f}}}\n", double(count) / took.count(),
             (cpu_seconds() - cpu) * 1e9 / double(count));
}
