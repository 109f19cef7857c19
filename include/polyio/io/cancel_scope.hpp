// CancelScope: a stretch of a task that can be cancelled, or that has a deadline. Every operation
// begun inside, in child tasks too, ends with std::errc::operation_canceled, or timed_out when the
// deadline did it; an operation that had succeeded by then keeps its success. Scopes nest like
// blocks. Not thread-safe: for the tasks of one Io.
#pragma once

#include <cerrno>
#include <polyio/base/list.hpp>
#include <polyio/base/result.hpp>
#include <polyio/io/job.hpp>
#include <polyio/io/timer.hpp>

namespace polyio {

struct ChildScopeTag;

class CancelScope : public ListNode<ChildScopeTag>, private Timer {
 public:
  // Opens a scope around what the current task does until the same task destroys the scope.
  explicit CancelScope(Io& io, Deadline until = never);
  CancelScope(Io& io, Nanoseconds span);
  ~CancelScope();

  // Asks all tasks inside to end: the operation they wait in fails, or else their next one.
  void cancel() { cancel_with(ECANCELED); }
  // True once cancel() was called here or outside, or a deadline here or outside has passed.
  bool cancelled() const noexcept { return reason() != 0; }
  // The same as a Result. Errors, those of the operations inside: operation_canceled, timed_out.
  Result<> check() const {
    if (reason_) return fail(reason_);
    return {};
  }
  // True when the deadline of this scope is what ended it.
  bool timed_out() const noexcept { return timed_out_; }
  // Moves the deadline; later costs next to nothing.
  void set_deadline(Deadline until);

 private:
  friend class Io;
  friend class Loop;
  friend class TaskGroup;
  struct Root {};
  CancelScope(Io& io, Root) noexcept;
  void cancel_with(int reason);
  // Why all inside ends, or 0. One load, because every operation asks.
  int reason() const noexcept { return reason_; }
  void prefetch_reason() const noexcept { __builtin_prefetch(&reason_); }

  Io& io_;
  Job* job_ = nullptr;  // the one that opened it
  CancelScope* parent_ = nullptr;
  List<CancelScope, ChildScopeTag> children_;
  List<Job, ScopeTag> jobs_;  // those whose innermost scope this is
  int reason_ = 0;            // given here, or handed down from further out
  bool timed_out_ = false;
};

}  // namespace polyio
