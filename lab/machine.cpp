// What was measured on: facts that say how far the figures carry, no names.
#include <sys/utsname.h>
#include <time.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <array>
#include <cstring>
#include <fstream>
#include <polyio/process/command.hpp>

#include "results.hpp"

namespace polyio::lab {
namespace {

// What follows `name` and its separator on its line.
std::string field(const char* path, std::string_view name, char separator) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const auto at = line.find(separator);
    if (!line.starts_with(name) || at == line.npos) continue;
    const auto start = line.find_first_not_of(" \t\"", at + 1);
    return start == line.npos ? "" : line.substr(start, line.find_last_not_of("\" ") + 1 - start);
  }
  return {};
}

// Empty: a real one, as far as it says.
std::string hypervisor() {
#if defined(__x86_64__)
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned present = 1u << 31;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & present) == 0) return {};
  __cpuid(0x40000000, a, b, c, d);
  std::array<char, 13> name{};
  std::memcpy(name.data(), &b, 4);
  std::memcpy(name.data() + 4, &c, 4);
  std::memcpy(name.data() + 8, &d, 4);
  const std::string_view says(name.data());
  if (says.starts_with("KVM")) return "kvm";
  if (says.starts_with("VMware")) return "vmware";
  if (says.starts_with("Microsoft")) return "hyper-v";
  if (says.starts_with("Xen")) return "xen";
  return "virtual";
#else
  return {};
#endif
}

}  // namespace

Json machine() {
  utsname system{};
  ::uname(&system);
  const std::string processor = field("/proc/cpuinfo", "model name", ':');
  const std::string memory = field("/proc/meminfo", "MemTotal", ':');
  Json facts;
  facts["processor"] = processor.empty() ? system.machine : processor;
  facts["cores"] = process::allowed_cpus().size();
  facts["memory_bytes"] = std::strtoull(memory.c_str(), nullptr, 10) * 1024;
  facts["kernel"] = std::string(system.sysname) + " " + system.release;
  facts["system"] = field("/etc/os-release", "PRETTY_NAME", '=');
  facts["virtual"] = hypervisor();
  facts["descriptors"] = limits_of_this_machine().descriptors;
  return facts;
}

std::string now_as_text() {
  const time_t now = ::time(nullptr);
  tm parts{};
  ::gmtime_r(&now, &parts);
  std::array<char, 32> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

}  // namespace polyio::lab
