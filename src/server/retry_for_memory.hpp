// For what can be neither refused nor left undone: tries until there is memory for it.
#pragma once

#include <chrono>
#include <new>
#include <thread>

namespace polyio {

inline constexpr std::chrono::milliseconds memory_pause{1};

template <class Act>
void retry_for_memory(Act act) {
  for (;;) {
    try {
      return act();
    } catch (const std::bad_alloc&) {
      std::this_thread::sleep_for(memory_pause);
    }
  }
}

}  // namespace polyio
