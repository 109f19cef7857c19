// BufferedReader: reads a stream by the units that protocols have: bytes up to a delimiter, a line,
// a known number of bytes. What arrives is handed out where it lies, in the lease; only a unit that
// two receives share is copied together. While it waits it holds no lease, so that a slow client
// costs the bytes that it has sent of one unit. For one task at a time. The stream stays where it
// is, outlives this, and is received from by this alone.
#pragma once

#include <polyio/coro/task.hpp>
#include <polyio/io/stream.hpp>
#include <span>
#include <string>
#include <string_view>

namespace polyio {

class BufferedReader {
  struct Unit;
  template <class View>
  class Awaiter;

 public:
  explicit BufferedReader(Stream& stream) noexcept : stream_(stream) {}

  // What these give is valid until the next call, and may be changed in place. Errors: end_of_file,
  // the peer finished before the unit was whole; EMSGSIZE, it is longer than `limit` bytes; ENOMEM;
  // those of receive(). Nothing is consumed then: buffered() and read_some() show what is there.

  // `auto head = co_await reader.read_until("\r\n\r\n", 16'384);` — Result<std::string_view>, with
  // the delimiter, which must not be empty.
  Awaiter<std::string_view> read_until(std::string_view delimiter, std::size_t limit) noexcept;
  // `auto line = co_await reader.read_line(8'192);` — Result<std::string_view>, without its end,
  // which is "\n" or "\r\n" and does not count.
  Awaiter<std::string_view> read_line(std::size_t limit) noexcept;
  // `auto body = co_await reader.read_exactly(length);` — Result<std::span<std::byte>>. `count`
  // bytes of memory are needed at most: bound it.
  Awaiter<std::span<std::byte>> read_exactly(std::size_t count) noexcept;
  // `auto bytes = co_await reader.read_some();` — Result<std::span<std::byte>>: what is there, at
  // least one byte; empty when the peer has finished.
  Awaiter<std::span<std::byte>> read_some() noexcept;
  // `auto read = co_await reader.read_into(room);` — Result<>: all of `room` is filled. For much:
  // it is received there directly.
  Task<Result<>> read_into(std::span<std::byte> room);

  // Bytes that were received and are in no unit yet.
  std::size_t buffered() const noexcept { return kept().size() + fresh().size() - given_; }

 private:
  // What a call asks for: `delimiter`, or `count` bytes where that is empty.
  struct Unit {
    std::string_view delimiter = {};
    std::size_t count = 0;  // or at most, with a delimiter
    bool line = false;      // without its end
    bool some = false;      // whatever there is
  };

  // What there is, in this order.
  std::string_view kept() const noexcept { return std::string_view(kept_).substr(kept_at_); }
  std::string_view fresh() const noexcept { return lease_.text().substr(at_); }
  void begin() noexcept;
  Result<bool> find(const Unit& unit);
  std::size_t end_of(std::string_view delimiter);
  void keep(std::size_t count);
  Task<Result<>> fetch(Unit unit);
  std::span<std::byte> give(const Unit& unit) noexcept;

  Stream& stream_;
  std::string kept_;  // from earlier leases: the beginning of a unit
  Lease lease_;
  std::size_t kept_at_ = 0, at_ = 0;  // what is before them is consumed, or kept
  std::size_t searched_ = 0;          // of kept(), in this call
  std::size_t found_ = 0;             // the length of the unit that find() has found
  std::size_t given_ = 0;             // bytes handed out, which the next call consumes
};

// Ends at once where the unit has arrived already; else a task fetches it.
template <class View>
class [[nodiscard]] BufferedReader::Awaiter {
 public:
  using PolyioAwaitable = void;
  Awaiter(BufferedReader& reader, const Unit& unit) noexcept : reader_(reader), unit_(unit) {}
  bool await_ready() {
    reader_.begin();
    const Result<bool> found = reader_.find(unit_);
    if (!found) result_ = fail(found.error());
    return !found || *found;
  }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> caller) {
    fetching_ = reader_.fetch(unit_);
    return fetching_.operator co_await().await_suspend(caller);
  }
  Result<View> await_resume() {
    if (fetching_) result_ = fetching_.take();
    if (!result_) return fail(result_.error());
    const std::span<std::byte> bytes = reader_.give(unit_);
    if constexpr (std::is_same_v<View, std::string_view>) {
      return std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    } else {
      return bytes;
    }
  }

 private:
  BufferedReader& reader_;
  const Unit unit_;
  Result<> result_;
  Task<Result<>> fetching_;
};

inline auto BufferedReader::read_until(std::string_view delimiter, std::size_t limit) noexcept
    -> Awaiter<std::string_view> {
  return {*this, {.delimiter = delimiter, .count = limit}};
}
inline auto BufferedReader::read_line(std::size_t limit) noexcept -> Awaiter<std::string_view> {
  return {*this, {.delimiter = "\n", .count = limit, .line = true}};
}
inline auto BufferedReader::read_exactly(std::size_t count) noexcept
    -> Awaiter<std::span<std::byte>> {
  return {*this, {.count = count}};
}
inline auto BufferedReader::read_some() noexcept -> Awaiter<std::span<std::byte>> {
  return {*this, {.some = true}};
}

}  // namespace polyio
