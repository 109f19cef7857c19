// Twenty works of two seconds on five threads: eight seconds, when they are all submitted before
// the first result is waited for; forty when each is waited for at once.
// thread_results [MILLISECONDS]
#include <fmt/format.h>

#include <cstdlib>
#include <polyio/exec/thread_pool.hpp>
#include <thread>

using namespace polyio;

std::string work(int number, std::chrono::milliseconds span) {
  std::this_thread::sleep_for(span);
  return fmt::format("{} ok", number);
}

int main(int argc, char** argv) {
  const std::chrono::milliseconds span(argc > 1 ? std::atoi(argv[1]) : 2000);
  using Seconds = std::chrono::duration<double>;
  ThreadPoolExecutor pool({.threads = 5, .name = "worker"});

  TimePoint begin = monotonic_now();
  std::vector<Future<std::string>> futures;
  for (int i = 0; i < 20; ++i) futures.push_back(pool.submit(work, i, span));
  fmt::print("submitted in {:.6f} s\n", Seconds(monotonic_now() - begin).count());
  for (const auto& future : futures) fmt::print("{}\n", future.result().value());
  fmt::print("all submitted first: {:.3f} s\n", Seconds(monotonic_now() - begin).count());

  begin = monotonic_now();
  for (int i = 0; i < 20; ++i) {
    auto future = pool.submit(work, i, span);
    fmt::print("{}\n", future.result().value());  // nothing else is submitted meanwhile
  }
  fmt::print("each waited for at once: {:.3f} s\n", Seconds(monotonic_now() - begin).count());
}
