// Census: how many of something each living process holds, in shared memory: the places of a
// BoundedSemaphore, the producers of a queue. Its owner's mutex is held around every call. The
// rule: an entry counts only while its number is not 0, and one store changes that; so a process
// killed in here leaves nothing half done, and a dead holder's entry can be dropped by any other
// process.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <polyio/ipc/kernel.hpp>
#include <span>

namespace polyio::ipc {

template <class K>
class Census {
 public:
  static constexpr std::uint32_t max_processes = 128;

  // For at most `processes` holders; more than max_processes are never counted.
  explicit Census(std::uint32_t processes = max_processes) noexcept
      : used_(std::min(processes, max_processes)) {}

  // Whether the calling process has an entry, or could get one.
  bool has_room() noexcept { return entry_of(K::process()) != nullptr; }
  // The calling process holds `more` of them. Needs has_room().
  void add(std::uint32_t more = 1) noexcept {
    const os::ProcessId me = K::process();
    Entry& mine = *entry_of(me);
    const std::uint32_t count = mine.count.load();
    if (count == 0) mine.process = me;
    mine.count.store(count + more);
  }
  // It holds one less. False: it held none.
  bool remove() noexcept {
    Entry* const mine = entry_of(K::process());
    const std::uint32_t count = mine ? mine->count.load() : 0;
    if (count == 0) return false;
    mine->count.store(count - 1);
    return true;
  }
  // How many are held by all processes, and by how many processes.
  std::uint32_t held() const noexcept {
    std::uint32_t sum = 0;
    for (const Entry& entry : entries()) sum += entry.count.load(std::memory_order_relaxed);
    return sum;
  }
  std::uint32_t holders() const noexcept {
    std::uint32_t sum = 0;
    for (const Entry& entry : entries()) sum += entry.count.load(std::memory_order_relaxed) != 0;
    return sum;
  }
  // Drops the entries of processes that have died. Asks the system about each holder.
  void forget_the_dead() noexcept {
    for (Entry& entry : entries()) (void)is_living(entry);
  }
  // The same up to the first that lives, which is asked first the next time: one question while
  // holders live.
  void forget_the_dead_before_a_living() noexcept {
    const std::uint32_t start = living_.load(std::memory_order_relaxed);
    for (std::uint32_t i = 0; i < used_; ++i) {
      const std::uint32_t at = (start + i) % used_;
      if (!is_living(entries_[at])) continue;
      living_.store(at, std::memory_order_relaxed);
      return;
    }
  }

 private:
  struct Entry {
    os::ProcessId process;
    Word<K> count;
  };

  std::span<Entry> entries() noexcept { return std::span(entries_).first(used_); }
  std::span<const Entry> entries() const noexcept { return std::span(entries_).first(used_); }
  // That of `process`, or a free one; nullptr: there is neither.
  Entry* entry_of(const os::ProcessId& process) noexcept {
    Entry* unused = nullptr;
    for (Entry& entry : entries()) {
      const bool counts = entry.count.load(std::memory_order_relaxed) != 0;
      if (counts && entry.process == process) return &entry;
      if (!counts && !unused) unused = &entry;
    }
    return unused;
  }
  // Frees the entry of a holder that has died.
  static bool is_living(Entry& entry) noexcept {
    if (entry.count.load() == 0) return false;
    if (K::alive(entry.process)) return true;
    entry.count.store(0);
    return false;
  }

  std::uint32_t used_;
  Word<K> living_;  // the entry that lived when last asked about
  std::array<Entry, max_processes> entries_;
};

}  // namespace polyio::ipc
