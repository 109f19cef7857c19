// Spinning: a thread looks at a word for a few microseconds before it sleeps on it, because to
// sleep and be woken takes ten times as long. Only with more than one processor, where another
// thread can change the word meanwhile; and a thread that spins in vain skips the next ones, up to
// sixteen in a row, so that whoever waits for long things hardly spins at all.
#pragma once

#include <atomic>
#include <mutex>
#include <thread>

namespace polyio::os {

// A few cycles of rest for the other thread of the core.
inline void pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// What spin_until_changed() knows of the calling thread.
bool worth_spinning() noexcept;
void has_spun(bool in_vain) noexcept;

// True: `word` is not `from` any more. `yields`: between two looks other threads may have the
// processor, for the one that is waited for may be ready to run on this very one.
template <bool yields = false, class Word>
bool spin_until_changed(const std::atomic<Word>& word, Word from) noexcept {
  if (!worth_spinning()) return false;
  constexpr int looks = 10, pauses = 36;
  for (int look = 0; look < looks; ++look) {
    // Rarely: each look takes the cache line from the other thread. In ipc::Queue, whose producer
    // then publishes one message at a time, a look every 8 pauses slowed a stream of 64 B from 17
    // to 11 million messages a second.
    for (int i = 0; i < pauses; ++i) pause();
    if constexpr (yields) std::this_thread::yield();
    if (word.load(std::memory_order_relaxed) == from) continue;
    has_spun(false);
    return true;
  }
  has_spun(true);
  return false;
}

// Locks a mutex that others hold for a few instructions at a time.
std::unique_lock<std::mutex> lock_spinning(std::mutex& mutex);

}  // namespace polyio::os
