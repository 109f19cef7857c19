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

namespace polyio::lab {
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

std::string content(const std::string& path) {
  std::ifstream file(path);
  return {(std::istreambuf_iterator<char>(file)), {}};
}

// The CPU time of one process, children that it waited for included (proc_pid_stat(5)).
void add_times(pid_t pid, Usage& usage) {
  clockid_t clock;
  timespec time{};
  if (clock_getcpuclockid(pid, &clock) == 0 && clock_gettime(clock, &time) == 0) {
    usage.cpu_ns += time.tv_sec * 1'000'000'000LL + time.tv_nsec;
  }
  const std::string text = content(proc(pid, "stat"));
  const auto name_end = text.rfind(')');
  if (name_end == std::string::npos) return;
  std::istringstream fields(text.substr(name_end + 1));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  std::int64_t user = 0, system = 0, ended_user = 0, ended_system = 0;
  fields >> user >> system >> ended_user >> ended_system;
  usage.user_ticks += user + ended_user;
  usage.system_ticks += system + ended_system;
  usage.cpu_ns += (ended_user + ended_system) * (1'000'000'000LL / sysconf(_SC_CLK_TCK));
}

// Of one thread: how often it was switched, and how long it waited for a core.
void add_switches(const fs::path& task, Usage& usage) {
  std::ifstream status(task / "status");
  for (std::string line; std::getline(status, line);) {
    const auto value = line.find(':') + 1;
    if (line.starts_with("voluntary_ctxt_switches:"))
      usage.voluntary += std::stoll(line.substr(value));
    if (line.starts_with("nonvoluntary_ctxt_switches:")) {
      usage.involuntary += std::stoll(line.substr(value));
    }
  }
  std::ifstream schedule(task / "schedstat");
  std::int64_t ran = 0, waited = 0;
  if (schedule >> ran >> waited) usage.waited_ns += waited;
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

Usage usage_of(pid_t pid) {
  Usage usage;
  if (pid == 0) return usage;
  if (!fs::exists(proc(pid, "stat"))) throw std::runtime_error("the server is gone");
  for (const pid_t one : family(pid)) {
    add_times(one, usage);
    std::error_code error;
    for (const auto& task : fs::directory_iterator(proc(one, "task"), error)) {
      add_switches(task.path(), usage);
    }
  }
  return usage;
}

Usage operator-(const Usage& after, const Usage& before) {
  return {after.cpu_ns - before.cpu_ns,
          after.user_ticks - before.user_ticks,
          after.system_ticks - before.system_ticks,
          after.voluntary - before.voluntary,
          after.involuntary - before.involuntary,
          after.waited_ns - before.waited_ns};
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

}  // namespace polyio::lab
