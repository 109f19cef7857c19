// Background: what a task that runs beside a server's handlers is given. The rule: such a task
// begins before its loop serves the first connection, and is asked to end when the loop's last
// handler has ended, so that it can still write out what they left. It has the rest of the drain
// time for that, then it is cut like a handler.
#pragma once

#include <functional>
#include <polyio/sync/event.hpp>

namespace polyio {

class Background {
 public:
  Background(Io& io, Event& stopping, unsigned index) noexcept
      : io_(io), stopping_(stopping), index_(index) {}

  Io& io() const noexcept { return io_; }
  // Which of the server's loops, or worker processes, this is: from 0. The place of a process that
  // was replaced is given again.
  unsigned index() const noexcept { return index_; }
  // No handler runs here any more.
  bool stopping() const { return stopping_.is_set(); }
  // `const bool goes_on = co_await background.pause(10s);`: true after `span`; false, at once, when
  // the task has to end, because the server stops or because it was cut.
  Task<bool> pause(Nanoseconds span);

 private:
  Io& io_;
  Event& stopping_;
  const unsigned index_;
};

using BackgroundTask = std::function<Task<>(Background&)>;

}  // namespace polyio
