// Counters: what the chat has done since its start, for /metrics. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

namespace polyio::chat {

struct Counters {
  using Count = std::atomic<std::uint64_t>;
  Count lines{0}, pages{0};            // clients that are here
  Count lines_seen{0}, pages_seen{0};  // and those that ever were
  Count entries{0};                    // kept and given to their rooms
  Count not_kept{0};                   // refused by the store
  Count slowed{0}, cut_off{0};         // by flood control

  // In the text format of Prometheus (version 0.0.4). `people`: that are here; `rooms`.
  std::string text(std::size_t people, std::size_t rooms) const;
};

}  // namespace polyio::chat
