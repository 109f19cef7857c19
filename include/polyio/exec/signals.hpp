// Signals: awaits signals from a task, on every I/O model. Each that arrives while this lives is
// handed to one next(), in the order they came; the kernel merges those of one number that wait for
// the process (signal(7)), and past 64 that no task has taken, more are dropped.
#pragma once

#include <initializer_list>
#include <polyio/os/signals.hpp>
#include <polyio/sync/queue.hpp>

namespace polyio {

class Signals {
 public:
  // From now on these signals come here, and to no handler of the program. Throws
  // std::system_error when no descriptor or thread is left. Must outlive its waits.
  explicit Signals(std::initializer_list<int> signals)
      : watcher_(signals, [this](int number) { (void)arrived_.try_put(std::move(number)); }) {}

  // `auto number = co_await signals.next(io);` - Result<int>. By tasks of any Io. Errors: those of
  // the scope.
  auto next(Io& io) { return arrived_.get(io); }

 private:
  Queue<int> arrived_{64};
  os::SignalWatcher watcher_;
};

}  // namespace polyio
