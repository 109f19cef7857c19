#include "start.hpp"

#include <fmt/format.h>

#include <fstream>
#include <polyio/os/file.hpp>
#include <polyio/process/command.hpp>
#include <stdexcept>

namespace polyio::lab {

std::string command_line() {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  std::string line, word;
  while (std::getline(file, word, '\0')) {
    if (word != "--resume") line += line.empty() ? "polyio" : " " + word;
  }
  return line;
}

Settings settings_for(bool quick, unsigned rounds, double seconds) {
  Settings settings;
  settings.quick = quick;
  if (quick) {
    settings.rounds = 3;
    settings.seconds = 0.3;
    settings.warmup = 0.1;
  }
  if (rounds > 0) settings.rounds = rounds;
  if (seconds > 0) {
    settings.seconds = seconds;
    settings.warmup = std::min(settings.warmup, seconds / 2);
  }
  settings.server_cores = process::allowed_cpus();
  if (settings.server_cores.empty()) throw std::runtime_error("can't see which cores there are");
  settings.load_cores = {settings.server_cores.back()};
  if (settings.server_cores.size() > 1) settings.server_cores.pop_back();
  return settings;
}

void warn_of_one_core(const Settings& settings, std::string_view command) {
  if (settings.server_cores != settings.load_cores) return;
  fmt::print(stderr,
             "{}: there is one core: server and load take it from each other, so trust nothing but "
             "large differences\n",
             command);
}

void wait_for_one_thread() {
  for (int i = 0; i < 100 && os::count_threads() > 1; ++i) {
  }
}

}  // namespace polyio::lab
