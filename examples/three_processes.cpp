// Three processes that sleep at the same time, so that all of it takes as long as one of them:
// `three_processes [fork|spawn] [MILLISECONDS]`.
#include <cstdio>
#include <cstdlib>
#include <polyio/process/process.hpp>
#include <string_view>
#include <thread>
#include <vector>

using namespace polyio;
using process::Process;

int work(std::string name, int milliseconds) {
  std::printf("%s begins\n", name.c_str());
  std::fflush(stdout);
  std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
  std::printf("%s ends\n", name.c_str());
  return 0;
}

int main(int argc, char** argv) {
  process::begin(argc, argv);
  const bool by_spawn = argc > 1 && std::string_view(argv[1]) == "spawn";
  const int milliseconds = argc > 2 ? std::atoi(argv[2]) : 3000;
  const TimePoint begun = monotonic_now();
  std::vector<Process> processes;
  for (const char* const name : {"one", "two", "three"}) {
    const auto method = by_spawn ? process::Method::spawn : process::Method::fork;
    processes.emplace_back(process::Options{.name = name, .method = method}, work, name,
                           milliseconds);
    if (const auto started = processes.back().start(); !started) {
      std::fprintf(stderr, "%s: %s\n", name, started.error().message().c_str());
      return 1;
    }
  }
  for (Process& each : processes) {
    if (!each.join()) return 1;
    std::printf("%s: exit code %d\n", each.name().c_str(), *each.exitcode());
  }
  const auto took = std::chrono::duration<double>(monotonic_now() - begun).count();
  std::printf("%.2f s for three times %.2f s\n", took, milliseconds / 1000.0);
}
