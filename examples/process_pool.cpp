// Twenty tasks of two seconds on five processes, so eight seconds; each result comes to a callback.
// `process_pool [MILLISECONDS] [KILL]`: with KILL the fourth task kills its process.
#include <fmt/core.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <polyio/exec/process_pool.hpp>
#include <set>
#include <string>
#include <thread>

using namespace polyio;

struct Answer {
  int number = 0, pid = 0;
  std::string said;
  void serialize(auto& archive) { archive(number, pid, said); }  // it crosses to this process
};

Answer task(int number, int milliseconds, bool dies) {
  fmt::print("task {} in process {}\n", number, ::getpid());
  std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
  if (dies) (void)std::raise(SIGKILL);
  return {number, ::getpid(), "ok"};
}

int main(int argc, char** argv) {
  const int milliseconds = argc > 1 ? std::atoi(argv[1]) : 2000;
  const int dies = argc > 2 ? 3 : -1;
  ProcessPoolExecutor pool({.workers = 5});
  std::set<int> pids;
  const auto begun = monotonic_now();
  for (int i = 0; i < 20; ++i) {
    const auto future = pool.submit(task, i, milliseconds, i == dies);
    future.on_done([&, i](const Future<Answer>& done) {  // on the pool's one thread
      if (const auto answer = done.result()) {
        fmt::print("{} {}\n", answer->number, answer->said);
        pids.insert(answer->pid);
      } else {
        fmt::print("{} failed: {}\n", i, answer.error().message());
      }
    });
  }
  fmt::print("main\n");  // submit() waits for no task
  pool.shutdown();       // waits for all, callbacks too
  const std::chrono::duration<double> took = monotonic_now() - begun;
  fmt::print("{} processes, {} replaced, {:.2f} s\n", pids.size(), pool.replaced(), took.count());
}
