// Marks: when a traced process had what it waited for, in memory that it shares with the lab. A few
// stores and a look at the clock, which is no system call, disturb least.
#pragma once

#include <atomic>
#include <cstdint>
#include <polyio/base/clock.hpp>
#include <polyio/os/unique_fd.hpp>

namespace polyio::lab {

struct Marks {
  // Of the last message, on CLOCK_MONOTONIC in ns: the handler had the bytes; it began to send.
  std::atomic<std::int64_t> began, sending;
  // Of a call that is no server's: when it was asked for (`began`: it was over), its descriptor,
  // and how many bytes had been sent on it.
  std::atomic<std::int64_t> asked, sent;
  std::atomic<int> descriptor;
  std::atomic<int> thread;               // that ran it
  std::atomic<std::int64_t> empty_call;  // cost_of_a_call() in the server, ns
};

class SharedMarks {
 public:
  // Those of a descriptor that was inherited, which it closes at the end; -1: new ones, whose
  // descriptor is inherited. Errors: std::system_error.
  explicit SharedMarks(int fd = -1);
  ~SharedMarks();
  SharedMarks(const SharedMarks&) = delete;
  SharedMarks& operator=(const SharedMarks&) = delete;

  int fd() const noexcept { return fd_.get(); }
  Marks* operator->() const noexcept { return marks_; }
  Marks* get() const noexcept { return marks_; }

 private:
  os::UniqueFd fd_;
  Marks* marks_;
};

// The time of a call that does nothing, the mean of many.
Nanoseconds cost_of_a_call();

}  // namespace polyio::lab
