// BackOff: how long to wait before a worker that crashed is replaced: 100 ms, twice as long after
// each further crash, at most 10 s; 100 ms again once a worker has lived for 10 s. So a crash now
// and then costs little, and a crash at every start does not keep the machine busy.
#pragma once

#include <algorithm>
#include <chrono>
#include <polyio/base/clock.hpp>

namespace polyio::process {

class BackOff {
 public:
  static constexpr Nanoseconds first = std::chrono::milliseconds(100);
  static constexpr Nanoseconds longest = std::chrono::seconds(10);
  // The wait after the crash of a worker that lived for `lived`.
  Nanoseconds after_crash(Nanoseconds lived) noexcept {
    if (lived >= longest) last_ = Nanoseconds::zero();
    last_ = last_ == Nanoseconds::zero() ? first : std::min(last_ * 2, longest);
    return last_;
  }

 private:
  Nanoseconds last_{0};
};

}  // namespace polyio::process
