// For what can be neither refused nor left undone when there is no memory: again until there is.
#pragma once

#include <chrono>
#include <new>
#include <thread>

namespace polyio {

template <class Act>
void surely(Act act) {
  for (;;) {
    try {
      return act();
    } catch (const std::bad_alloc&) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
}

}  // namespace polyio
