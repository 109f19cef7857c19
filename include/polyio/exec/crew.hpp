// Crew: how the threads of a pool come by its works. A thread serves; while it serves it is at
// work, coming (awake and on its way to the line), or idle, which is to say asleep. The rule: there
// is a thread on its way for every work in line, until all threads are awake. So a work that is
// submitted while a thread is coming for it costs no call, and when all are awake no lock either:
// those that have a work come back to the line.
#pragma once

#include <condition_variable>
#include <mutex>
#include <polyio/exec/work_line.hpp>
#include <utility>

namespace polyio::detail {

template <class Work, class Sync = ThreadSync>
class Crew {
 public:
  using Lock = std::unique_lock<typename Sync::Mutex>;
  struct Member {
    bool coming = true;
  };

  // At most `threads` serve; one that has nothing to do may spin before it sleeps. The mutex is
  // that of the line.
  Crew(typename Sync::Mutex& mutex, WorkLine<Work, Sync>& line, unsigned threads,
       bool spins) noexcept
      : mutex_(mutex), line_(line), most_(threads), spins_(spins) {}

  // Without the mutex, after a work has entered, which made the line `in_line` long: wakes a thread
  // if one is wanted, or calls `start()`, with the mutex, whose Result<> it gives back.
  template <class Start>
  Result<> call(std::size_t in_line, Start start) {
    if (in_line <= coming_.load() || (idle_.load() == 0 && serving_.load() >= most_)) return {};
    Lock lock = Sync::lock(mutex_);
    if (line_.size() <= coming_.load()) return {};
    if (idle_.load() == 0) return serving_.load() < most_ ? start() : Result<>();
    idle_.fetch_sub(1);
    coming_.fetch_add(1);
    ++called_;
    lock.unlock();  // first: the kernel may give the processor to the one that is woken at once
    changed_.notify_one();
    return {};
  }

  // --- with the mutex ---
  // A thread begins to serve: it is coming.
  void join() noexcept {
    serving_.fetch_add(1);
    coming_.fetch_add(1);
  }
  // It serves no more. Not while it is coming.
  void leave() noexcept { serving_.fetch_sub(1); }
  // For a thread that serves: its next work, for which it may sleep. Null: the line is closed and
  // empty, and the thread has left.
  Work* next(Lock& lock, Member& self) {
    for (bool spun = !spins_;; spun = true) {
      if (Work* const work = line_.pop()) {
        if (std::exchange(self.coming, false)) coming_.fetch_sub(1);
        return work;
      }
      if (!std::exchange(self.coming, true)) coming_.fetch_add(1);
      if (line_.closed()) break;
      if (spun || coming_.load() > 1) {  // one spins at most
        sleep(lock);
      } else {
        lock.unlock();
        line_.spin_until_filled();
        lock = Sync::lock(mutex_);
      }
    }
    coming_.fetch_sub(1);
    leave();
    return nullptr;
  }
  // After the line was closed.
  void wake_all() noexcept { changed_.notify_all(); }

  unsigned serving() const noexcept { return serving_.load(); }
  // More threads are wanted than are on their way or can be woken.
  bool is_short() const noexcept { return line_.size() > idle_.load() + coming_.load(); }

 private:
  // Those who submit look at the counts after the work has entered; so this looks at the line after
  // it has changed them, and one of the two sees the other.
  void sleep(Lock& lock) {
    coming_.fetch_sub(1);
    idle_.fetch_add(1);
    while (called_ == 0 && !line_.closed() && !line_.front()) changed_.wait(lock);
    if (called_ > 0) {
      --called_;
    } else {
      idle_.fetch_sub(1);
      coming_.fetch_add(1);
    }
  }

  typename Sync::Mutex& mutex_;
  WorkLine<Work, Sync>& line_;
  const unsigned most_;
  const bool spins_;
  typename Sync::Condition changed_;
  unsigned called_ = 0;  // idle ones that are to wake up, and are counted as coming
  // Changed with the mutex, read without.
  alignas(64) typename Sync::template Word<unsigned> serving_ = 0, coming_ = 0, idle_ = 0;
};

}  // namespace polyio::detail
