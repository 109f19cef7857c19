// The process's real-time signals, given out one by one to be waited for with sigtimedwait(2). The
// rule: a number that has a handler isn't touched, and one that is given out never kills the
// process. Thread-safe.
#pragma once

namespace polyio {

// The number is ignored from now on, for good; -1 when none is free.
int take_real_time_signal() noexcept;
void give_back_real_time_signal(int number) noexcept;

}  // namespace polyio
