// A daemon process ends with its parent, whether the parent ends by itself (type a line) or by
// kill -9 (its pid is printed).
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <polyio/process/process.hpp>
#include <string>
#include <thread>

using namespace polyio;
using process::Process;

void guard() {
  const process::Current me = process::current_process();
  std::printf("%s %d guards %d\n", me.name.c_str(), me.pid, me.parent_pid);
  std::fflush(stdout);
  for (;;)
    std::this_thread::sleep_for(std::chrono::seconds(1));  // a real one would watch something
}

int main(int argc, char** argv) {
  process::begin(argc, argv);
  Process guardian({.name = "guardian", .daemon = true, .method = process::Method::spawn}, guard);
  if (const auto started = guardian.start(); !started) {
    std::fprintf(stderr, "guardian: %s\n", started.error().message().c_str());
    return 1;
  }
  if (const auto late = guardian.set_daemon(false); !late) {
    std::printf("main: %s\n", late.error().message().c_str());
    std::fflush(stdout);
  }
  std::string line;
  std::getline(std::cin, line);
  std::printf("main ends\n");
}
