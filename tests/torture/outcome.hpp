// Outcome: what a scenario reports, from the process that ran it: errors that it received (a fault
// may cause them), and what must never be (wrong bytes, something left over).
// Thread-safe.
#pragma once

#include <fmt/format.h>

#include <mutex>
#include <string>
#include <system_error>
#include <vector>

#include "faults.hpp"

namespace polyio::torture {

class Outcome {
 public:
  void error(std::string_view where, std::error_code code) { error(where, code.message()); }
  void error(std::string_view where, std::string_view what) {
    const Exempt mine;
    const std::lock_guard lock(mutex_);
    errors_.push_back(fmt::format("{}: {}", where, what));
  }
  // `right`, or `what` was wrong.
  void require(bool right, std::string_view what) {
    if (right) return;
    const Exempt mine;
    const std::lock_guard lock(mutex_);
    wrongs_.emplace_back(what);
  }
  const std::vector<std::string>& errors() const { return errors_; }
  const std::vector<std::string>& wrongs() const { return wrongs_; }

 private:
  std::mutex mutex_;
  std::vector<std::string> errors_, wrongs_;
};

}  // namespace polyio::torture
