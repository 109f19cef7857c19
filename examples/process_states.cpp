// What three processes do, as the kernel sees it, and why the CPU was taken from them: one
// computes, one waits, one is stopped; the first two share a CPU with another that computes.
#include <sched.h>
#include <signal.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <polyio/process/process.hpp>
#include <thread>

using namespace polyio;
using namespace std::chrono_literals;
using process::Process;

void compute() {
  for (std::atomic<unsigned> turn = 0;; ++turn) {
  }
}
void wait_often() {
  for (;;) std::this_thread::sleep_for(1ms);
}

int main() {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(::sched_getcpu(), &one);
  ::sched_setaffinity(0, sizeof one, &one);  // one CPU for all: the children keep it
  Process computes({.name = "computes", .daemon = true}, compute);
  Process rival({.name = "rival", .daemon = true}, compute);
  Process waits({.name = "waits", .daemon = true}, wait_often);
  Process stopped({.name = "stopped", .daemon = true}, compute);
  for (Process* each : {&computes, &rival, &waits, &stopped}) {
    if (!each->start()) return 1;
  }
  if (!stopped.send_signal(SIGSTOP)) return 1;
  std::this_thread::sleep_for(500ms);
  std::printf("%-10s %-10s %11s %13s %8s %11s\n", "process", "state", "gave it up", "it was taken",
              "CPU ms", "waiting ms");
  for (Process* each : {&computes, &rival, &waits, &stopped}) {
    const auto now = process::state_of(*each->pid());
    if (!now) return 1;
    std::printf("%-10s %-10s %11llu %13llu %8lld %11lld\n", each->name().c_str(),
                to_string(now->state).data(), static_cast<unsigned long long>(now->voluntary),
                static_cast<unsigned long long>(now->involuntary),
                static_cast<long long>(now->cpu / 1ms), static_cast<long long>(now->waiting / 1ms));
  }
}
