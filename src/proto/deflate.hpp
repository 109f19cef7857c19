// DEFLATE for WebSocket messages (RFC 7692 section 7.2), a message at a time: without context
// take-over nothing is kept between two. The rule: what is inflated is bounded while it comes out.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace polyio::proto {

// The window that messages are deflated with, as a power of two: 4 KiB.
inline constexpr int deflate_window_bits = 12;

// `text` as a message's payload, without the last four bytes; nothing where that is not shorter.
std::optional<std::string> deflated(std::string_view text);

// One message's payload as it arrives. Holds some 40 KB.
class Inflater {
 public:
  enum class Result : unsigned char { fine, malformed, too_big };

  Inflater();
  ~Inflater();
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  // Appends what `bytes` inflate to to `out`; too_big as soon as that has more than `limit` bytes.
  Result add(std::string_view bytes, std::string& out, std::size_t limit);
  // At the payload's end: the same with the four bytes that are not sent.
  Result finish(std::string& out, std::size_t limit);

 private:
  struct Stream;
  std::unique_ptr<Stream> stream_;
};

}  // namespace polyio::proto
