// WorkLine: the bounded line in which a pool's works wait, and those that wait for a place in it.
// Used by both pools. A work enters through the inbox, a stack that needs no lock, so that a thread
// which submits does not wait for those that take works out; these empty the inbox into the line.
// The rule: all but post() and spin_until_filled() needs the mutex, which is the pool's. A work
// that was cancelled stays in line until it comes up, or until a full line is swept.
#pragma once

#include <cstddef>
#include <mutex>
#include <polyio/exec/future_state.hpp>
#include <polyio/exec/thread_sync.hpp>
#include <polyio/io/waiter.hpp>
#include <utility>

namespace polyio::detail {

// Work: has `state()`, a FutureState of which the line holds a share, and `next_in_line`.
template <class Work, class Sync = ThreadSync>
class WorkLine {
 public:
  using Mutex = typename Sync::Mutex;
  WorkLine(Mutex& mutex, std::size_t capacity) noexcept : mutex_(mutex), capacity_(capacity) {}

  // Without the mutex. The length of the line that `work` has entered, or a little more than that.
  // 0: it has not entered; take_place() says why.
  std::size_t post(Work& work) noexcept {
    const std::size_t before = in_line_.fetch_add(1);
    if (before < capacity_ && enter(work)) return before + 1;
    in_line_.fetch_sub(1);
    return 0;
  }
  // Without the mutex. Spins while nothing enters.
  void spin_until_filled() const noexcept {
    Sync::spin_until_changed(inbox_, static_cast<Work*>(nullptr));
  }

  // The first, or null.
  Work* front() noexcept {
    if (!first_) collect();
    return first_;
  }
  // With those that were cancelled.
  std::size_t size() const noexcept { return in_line_.load() - taken_; }
  // Without; takes a step for each.
  std::size_t pending() noexcept {
    collect();
    std::size_t count = 0;
    for (Work* work = first_; work; work = work->next_in_line) count += !work->state().ended();
    return count;
  }

  // After take_place().
  void push_back(Work& work) noexcept { (void)enter(work); }
  // Whatever the capacity.
  void push_front(Work& work) noexcept {
    in_line_.fetch_add(1);
    work.next_in_line = std::exchange(first_, &work);
    if (!last_) last_ = &work;
  }
  // The first, whose share is the caller's now, or null. Its place goes to one that waits.
  Work* pop() noexcept {
    Work* const work = front();
    if (!work) return nullptr;
    first_ = std::exchange(work->next_in_line, nullptr);
    if (!first_) last_ = nullptr;
    ++taken_;
    if (Waiter* const waiter = places_.pop_front()) waiter->end();
    return work;
  }
  // Takes out what was cancelled, and the work of `which`, if it is not null. True: that was there.
  bool sweep(const FutureState* which = nullptr) noexcept {
    collect();
    Work* work = std::exchange(first_, nullptr);
    last_ = nullptr;
    bool found = false;
    while (work) {
      Work* const next = work->next_in_line;
      const bool is_it = &work->state() == which;
      if (is_it || work->state().ended()) {
        found |= is_it;
        ++taken_;
        if (!is_it) work->state().release();
      } else {
        append(*work);
      }
      work = next;
    }
    return found;
  }

  // A place for push_back(). `lock` is the mutex's. Errors: EAGAIN, there is none and the thread
  // may not wait; EPIPE, the line is closed.
  Result<> take_place(std::unique_lock<Mutex>& lock, bool may_wait) {
    while (!closed_ && !reserve()) {
      if (!may_wait) return fail(EAGAIN);
      lock.unlock();
      auto place = ThreadWait<Place>(*this)(never);
      lock.lock();
      if (!place) return fail(EAGAIN);  // on the thread of a loop
    }
    if (closed_) return fail(EPIPE);
    return {};
  }
  // Nothing enters any more, and the waits for a place end, now and later.
  void close() noexcept {
    if (std::exchange(closed_, true)) return;
    collect(nowhere());
    while (Waiter* const waiter = places_.pop_front()) waiter->end();
  }
  bool closed() const noexcept { return closed_; }

 private:
  class Place : public Waiter {
   public:
    explicit Place(WorkLine& line) noexcept : Waiter(line.mutex_), line_(line) {}
    Result<> value() noexcept { return {}; }

   protected:
    bool take() override { return line_.closed_ || !line_.full(); }
    void queue() noexcept override { line_.places_.push_back(*this); }

   private:
    WorkLine& line_;
  };

  bool reserve() noexcept {
    if (full()) return false;
    if (in_line_.fetch_add(1) < capacity_) return true;
    in_line_.fetch_sub(1);
    return false;
  }
  // A sweep that made no room is not tried again at once, so that refusing costs 64 steps at most.
  bool full() noexcept {
    settle();
    if (in_line_.load() < capacity_) return false;
    if (unswept_ > 0) {
      --unswept_;
      return true;
    }
    sweep();
    settle();
    const std::size_t left = in_line_.load();
    unswept_ = left < capacity_ ? 0 : left / 64;
    return left >= capacity_;
  }

  // What the inbox of a closed line holds.
  Work* nowhere() noexcept { return reinterpret_cast<Work*>(this); }
  // False: the line is closed.
  bool enter(Work& work) noexcept {
    Work* newest = inbox_.load(std::memory_order_relaxed);
    do {
      if (newest == nowhere()) return false;
      work.next_in_line = newest;
    } while (!inbox_.compare_exchange_weak(newest, &work));
    return true;
  }
  // Appends what is in the inbox, newest first, and leaves `left` there.
  void collect(Work* left = nullptr) noexcept {
    settle();
    if (inbox_.load() == nowhere()) return;
    Work* const newest = inbox_.exchange(left);
    if (!newest) return;
    Work* oldest = nullptr;
    for (Work* work = newest; work;) {
      work = std::exchange(work->next_in_line, std::exchange(oldest, work));
    }
    (last_ ? last_->next_in_line : first_) = oldest;
    last_ = newest;
  }
  void append(Work& work) noexcept {
    work.next_in_line = nullptr;
    (last_ ? last_->next_in_line : first_) = &work;
    last_ = &work;
  }
  void settle() noexcept {
    if (taken_ > 0) in_line_.fetch_sub(std::exchange(taken_, 0));
  }

  Mutex& mutex_;
  const std::size_t capacity_;
  Work* first_ = nullptr;
  Work* last_ = nullptr;
  std::size_t taken_ = 0;    // still counted in in_line_, so that not every pop() writes there
  std::size_t unswept_ = 0;  // times that full() need not sweep
  WaiterList places_;
  bool closed_ = false;
  // A cache line for the threads that post.
  alignas(64) typename Sync::template Word<Work*> inbox_ = nullptr;
  typename Sync::template Word<std::size_t> in_line_ = 0;
};

}  // namespace polyio::detail
