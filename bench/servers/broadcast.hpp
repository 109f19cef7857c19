// What the hand-written broadcast servers share: one log of all that was said. Every receiver has a
// place in it, so nothing is queued per receiver, and what it has not got yet is one piece of
// memory.
#pragma once

#include <sys/mman.h>

#include <cstdint>
#include <string_view>

#include "common.hpp"

namespace bench {

// The last `capacity` bytes of a stream; any of them lie side by side, the memory is mapped twice.
class Log {
 public:
  static constexpr std::uint64_t capacity = 4 << 20;

  Log() {
    const int fd = memfd_create("log", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, capacity) != 0) die("memfd_create");
    void* both = mmap(nullptr, 2 * capacity, PROT_NONE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
    memory_ = static_cast<char*>(both);
    for (char* half : {memory_, memory_ + capacity}) {
      mmap(half, capacity, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
    }
    close(fd);
  }
  std::uint64_t end() const { return end_; }
  const char* at(std::uint64_t place) const { return memory_ + place % capacity; }
  void append(std::string_view bytes) {
    std::memcpy(memory_ + end_ % capacity, bytes.data(), bytes.size());
    end_ += bytes.size();
  }

 private:
  char* memory_;
  std::uint64_t end_ = 0;
};

// The whole lines among what was received go into the log; the beginning of the next one is kept.
inline void append_lines(Log& log, std::string& partial, std::string_view bytes) {
  const auto end = bytes.rfind('\n');
  if (end == std::string_view::npos) {
    partial += bytes;
    return;
  }
  if (!partial.empty()) log.append(partial);
  log.append(bytes.substr(0, end + 1));
  partial.assign(bytes.substr(end + 1));
}

inline constexpr std::size_t max_line = 64 * 1024;

}  // namespace bench
