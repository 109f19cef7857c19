// Storm: as long as it lives, every thread of the process but its own is sent a signal each 50 µs,
// whose handler does nothing and is not SA_RESTART: system calls that wait end with EINTR again and
// again (signal(7)).
#pragma once

#include <atomic>
#include <thread>

namespace polyio::torture {

class Storm {
 public:
  Storm();
  ~Storm();
  Storm(const Storm&) = delete;
  Storm& operator=(const Storm&) = delete;
  // Signals that were handled.
  static unsigned handled();

 private:
  void blow();
  std::atomic<bool> over_{false};
  std::thread thread_;
};

}  // namespace polyio::torture
