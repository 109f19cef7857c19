// What a test must not leave behind: descriptors.
#pragma once

#include <cstddef>
#include <filesystem>
#include <iterator>

namespace polyio::test {

// Descriptors open in this process, the one for this look among them.
inline std::size_t open_fds() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

}  // namespace polyio::test
