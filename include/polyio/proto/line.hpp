// LineReader: cuts a byte stream into lines, for a protocol people can type. The rule: only an
// unfinished line holds memory, and never more than the limit, so an idle connection costs no heap
// and a hostile one a bounded amount.
#pragma once

#include <polyio/base/result.hpp>

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace polyio::proto {

// '\n' ends a line; one '\r' just before it is dropped. Use it so:
//
//   reader.feed(chunk);
//   while (auto line = reader.next()) { if (*line) use(**line); else complain(line->error()); }
//
// Not thread-safe. The views it returns are short-lived: see next().
class LineReader {
 public:
  static constexpr std::size_t default_max_line = 8192;

  // `max_line`: the longest line accepted, in bytes, without its '\n' and the '\r' before it.
  explicit LineReader(std::size_t max_line = default_max_line) noexcept : max_line_(max_line) {}

  // Hands over the next bytes. They must stay where they are until next() has answered nothing, and
  // feed() must not be called again before that (asserted).
  void feed(std::span<const std::byte> bytes) noexcept;

  // The next line, or nothing when more bytes are needed. A line longer than the limit is answered
  // once, with Errc::line_too_long, as soon as it is known to be too long; its rest is skipped. The
  // view points into the fed bytes when the line lies there whole, into the reader otherwise; it is
  // good until the next call of next(), feed() or finish(). Bytes are not checked: see text.hpp.
  std::optional<Result<std::string_view>> next();

  // At the end of file, after next() has answered nothing: the unterminated last line, if there is
  // one, without a '\r' at its end. Its view has next()'s lifetime. The reader is then as new.
  std::optional<Result<std::string_view>> finish();

  // Bytes of the unfinished line kept so far (at most the limit plus one).
  std::size_t held() const noexcept { return answered_ ? 0 : partial_.size(); }
  // A line, perhaps one that is too long, has begun and not ended. After next() has answered
  // nothing.
  bool unfinished() const noexcept { return discarding_ || held() > 0; }

 private:
  void release() noexcept;

  std::string_view input_;
  std::string partial_;
  std::size_t max_line_;
  bool discarding_ = false;  // inside a line already reported as too long
  bool answered_ = false;    // partial_ is the line that was answered last
};

}  // namespace polyio::proto
