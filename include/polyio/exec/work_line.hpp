// WorkLine: the bounded line in which a pool's works wait, and those that wait for a place in it.
// Used by both pools, which own the mutex that every member needs held. A work that was cancelled
// stays in line until it comes up, or until a full line is swept.
#pragma once

#include <cstddef>
#include <mutex>
#include <polyio/exec/future_state.hpp>
#include <polyio/io/waiter.hpp>
#include <utility>

namespace polyio::detail {

// Work: has `state()`, a FutureState of which the line holds a share, and `next_in_line`.
template <class Work>
class WorkLine {
 public:
  WorkLine(std::mutex& mutex, std::size_t capacity) noexcept : mutex_(mutex), capacity_(capacity) {}

  Work* front() const noexcept { return first_; }
  // With those that were cancelled.
  std::size_t size() const noexcept { return size_; }
  // Without; takes a step for each.
  std::size_t pending() const noexcept {
    std::size_t count = 0;
    for (Work* work = first_; work; work = work->next_in_line) count += !work->state().ended();
    return count;
  }

  void push_back(Work& work) noexcept {
    work.next_in_line = nullptr;
    (last_ ? last_->next_in_line : first_) = &work;
    last_ = &work;
    ++size_;
  }
  void push_front(Work& work) noexcept {
    work.next_in_line = std::exchange(first_, &work);
    if (!last_) last_ = &work;
    ++size_;
  }
  // The first, whose share is the caller's now, or null. Its place goes to one that waits.
  Work* pop() noexcept {
    Work* const work = first_;
    if (!work) return nullptr;
    first_ = std::exchange(work->next_in_line, nullptr);
    if (!first_) last_ = nullptr;
    --size_;
    if (Waiter* const waiter = places_.pop_front()) waiter->end();
    return work;
  }
  // Takes out what was cancelled, and the work of `which`, if it is not null. True: that was there.
  bool sweep(const FutureState* which = nullptr) noexcept {
    Work* work = std::exchange(first_, nullptr);
    last_ = nullptr;
    size_ = 0;
    bool found = false;
    while (work) {
      Work* const next = work->next_in_line;
      if (&work->state() == which) {
        found = true;
      } else if (work->state().ended()) {
        work->state().release();
      } else {
        push_back(*work);
      }
      work = next;
    }
    return found;
  }

  // Returns when there is a place, or the line is closed. `lock` is the mutex's. Errors: EAGAIN,
  // there is none and the thread may not wait.
  Result<> wait_for_place(std::unique_lock<std::mutex>& lock, bool may_wait) {
    while (!closed_ && full()) {
      if (!may_wait) return fail(EAGAIN);
      lock.unlock();
      auto place = ThreadWait<Place>(*this)(never);
      lock.lock();
      if (!place) return fail(EAGAIN);  // on the thread of a loop
    }
    return {};
  }
  // Ends the waits for a place, now and later.
  void close() noexcept {
    closed_ = true;
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

  // A sweep that made no room is not tried again at once, so that refusing costs 64 steps at most.
  bool full() noexcept {
    if (size_ < capacity_) return false;
    if (unswept_ > 0) {
      --unswept_;
      return true;
    }
    sweep();
    unswept_ = size_ < capacity_ ? 0 : size_ / 64;
    return size_ >= capacity_;
  }

  std::mutex& mutex_;
  const std::size_t capacity_;
  Work* first_ = nullptr;
  Work* last_ = nullptr;
  std::size_t size_ = 0;
  std::size_t unswept_ = 0;  // times that full() need not sweep
  WaiterList places_;
  bool closed_ = false;
};

}  // namespace polyio::detail
