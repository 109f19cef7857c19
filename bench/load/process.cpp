#include "process.hpp"

#include <time.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace polyio::bench {
namespace {

namespace fs = std::filesystem;

std::string proc(pid_t pid, const std::string& file) {
  return "/proc/" + std::to_string(pid) + "/" + file;
}

// The process and everything it started that still runs.
std::vector<pid_t> family(pid_t pid) {
  std::vector<pid_t> all{pid};
  for (std::size_t i = 0; i < all.size(); ++i) {
    std::error_code error;
    for (const auto& task : fs::directory_iterator(proc(all[i], "task"), error)) {
      std::ifstream children(task.path() / "children");
      for (pid_t child; children >> child;) all.push_back(child);
    }
  }
  return all;
}

std::int64_t own_cpu_ns(pid_t pid) {
  clockid_t clock;
  timespec time{};
  if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &time) != 0) return 0;
  return time.tv_sec * 1'000'000'000LL + time.tv_nsec;
}

// CPU time of children that ended and were waited for: only ticks are kept of them.
std::int64_t ended_children_ns(pid_t pid) {
  std::ifstream file(proc(pid, "stat"));
  std::string text((std::istreambuf_iterator<char>(file)), {});
  const auto name_end = text.rfind(')');
  if (name_end == std::string::npos) return 0;
  std::istringstream fields(text.substr(name_end + 1));
  std::string skipped;
  for (int i = 0; i < 13; ++i) fields >> skipped;
  std::int64_t user = 0, system = 0;
  fields >> user >> system;
  return (user + system) * (1'000'000'000LL / sysconf(_SC_CLK_TCK));
}

// Adds up the lines `NAME: N kB` of a file.
std::int64_t sum_kb(const std::string& path, std::initializer_list<const char*> names) {
  std::ifstream file(path);
  std::int64_t bytes = 0;
  for (std::string line; std::getline(file, line);) {
    for (const char* name : names) {
      const std::size_t length = std::strlen(name);
      if (line.compare(0, length, name) == 0 && line[length] == ':') {
        bytes += std::stoll(line.substr(length + 1)) * 1024;
      }
    }
  }
  return bytes;
}

}  // namespace

std::int64_t cpu_ns(pid_t pid) {
  if (pid == 0) return 0;
  if (!fs::exists(proc(pid, "stat"))) throw std::runtime_error("the server is gone");
  std::int64_t sum = 0;
  for (const pid_t one : family(pid)) sum += own_cpu_ns(one) + ended_children_ns(one);
  return sum;
}

std::int64_t waited_ns(pid_t pid) {
  std::int64_t sum = 0;
  std::error_code error;
  for (const auto& task : fs::directory_iterator(proc(pid, "task"), error)) {
    std::ifstream file(task.path() / "schedstat");
    std::int64_t ran = 0, waited = 0;
    if (file >> ran >> waited) sum += waited;
  }
  return sum;
}

void settle() { std::this_thread::sleep_for(std::chrono::milliseconds(3)); }

Memory memory_of(pid_t pid) {
  Memory memory;
  for (const pid_t one : family(pid)) {
    const std::string rollup = proc(one, "smaps_rollup");
    memory.private_dirty += sum_kb(rollup, {"Private_Dirty"});
    memory.anonymous += sum_kb(rollup, {"Anonymous"});
    memory.resident += sum_kb(rollup, {"Rss"});
  }
  memory.kernel = sum_kb("/proc/meminfo", {"Slab", "KernelStack", "PageTables"});
  return memory;
}

std::size_t descriptors_of(pid_t pid) {
  std::error_code error;
  std::size_t count = 0;
  for (fs::directory_iterator at(proc(pid, "fd"), error), end; !error && at != end;
       at.increment(error)) {
    ++count;
  }
  return count;
}

bool wait_for_descriptors(pid_t pid, std::size_t count, double seconds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (descriptors_of(pid) < count) {
    if (std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return true;
}

}  // namespace polyio::bench
