// LineLog: lines for people, written to a descriptor that other programs may share, such as
// standard error. The rule: whoever writes a line never waits, whatever the reader does, and a
// line that can't be written (a full disk, RLIMIT_FSIZE, a closed pipe) ends nothing: no signal, no
// exception. What can't be written at once is kept, up to `limit` bytes; what does not fit, and
// what an error keeps out, is dropped, and the log says how many lines are missing as soon as it
// takes lines again.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <polyio/base/log_line.hpp>
#include <string>
#include <string_view>

namespace polyio::os {

class LineLog {
 public:
  // Which thread makes the system calls. `caller`: whoever writes a line; the process may fork, and
  // what is kept goes out with a later line or at the end. `thread`: one of its own, for many lines
  // and slow disks; not in a process that forks afterwards.
  enum class Writer : bool { caller, thread };
  // Makes a line what is written of it, with its newline; thread-safe.
  using Layout = std::function<std::string(LogLine)>;

  static constexpr std::size_t limit = std::size_t{1} << 20;  // bytes kept
  static constexpr auto patience = std::chrono::seconds(1);

  // `fd` stays the caller's, open as long as this. Throws std::system_error when a thread is wanted
  // and can't be had.
  explicit LineLog(int fd, Layout layout, Writer writer = Writer::caller);
  // Gives what is kept `patience` to be written.
  ~LineLog();
  LineLog(const LineLog&) = delete;
  LineLog& operator=(const LineLog&) = delete;

  // Thread-safe. A line for which there is no memory counts as missing.
  void write(LogLine line) noexcept;
  // Lines that are missing and of which the log does not say so yet. Thread-safe.
  std::uint64_t missing() const noexcept;

 private:
  struct State;
  std::shared_ptr<State> state_;  // a thread that is stuck in write(2) keeps it
};

// Writes `text` as it is to standard error, or gives up after LineLog::patience: the last words of
// a thread or program. Thread-safe.
void write_to_stderr(std::string_view text) noexcept;
// In a catch block: writes a line "source: what()" of the exception that is handled. Thread-safe.
void write_exception_to_stderr(std::string_view source) noexcept;

}  // namespace polyio::os
