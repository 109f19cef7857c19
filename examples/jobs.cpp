// Twelve jobs and four workers, each a process. One is killed in the middle of a job; the others do
// that one, too.
#include <fmt/core.h>

#include <atomic>
#include <csignal>
#include <polyio/process/process.hpp>
#include <polyio/queue/job_queue.hpp>
#include <string>
#include <vector>

using namespace polyio;

using Jobs = ipc::JobQueue<std::string>;

void work(Jobs jobs, ipc::Shared<std::atomic<int>> done, int worker) {
  while (auto job = jobs.take()) {  // the end: closed, and no job can come back
    if (worker == 0) (void)std::raise(SIGKILL);
    if (job->times() > 1) fmt::print("worker {}: {} was begun before\n", worker, **job);
    ++*done;
    job->done();
  }
}

int main() {
  Jobs jobs;
  ipc::Shared<std::atomic<int>> done;
  for (int i = 0; i < 12; ++i) {
    if (!jobs.put(fmt::format("job {}", i))) return 1;
  }
  jobs.close();
  std::vector<process::Process> workers;
  workers.emplace_back([=] { work(jobs, done, 0); });
  if (!workers.back().start() || !workers.back().join()) return 1;  // it has died with a job
  for (int worker = 1; worker < 4; ++worker) {
    workers.emplace_back([=] { work(jobs, done, worker); });
    if (!workers.back().start()) return 1;
  }
  for (std::size_t i = 1; i < workers.size(); ++i) (void)workers[i].join();
  fmt::print("{} of 12 jobs done\n", done->load());
  return *done == 12 ? 0 : 1;
}
