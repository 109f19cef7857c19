// The two halves of reading a request's head: HeadScanner goes over it byte by byte as it arrives
// and keeps its limits and line structure strict; parse_head() reads the whole head once it is
// there.
#pragma once

#include <polyio/proto/http.hpp>

#include <cstddef>
#include <expected>
#include <string_view>

namespace polyio::proto {

// Judges each byte by those before it alone, so how the bytes were cut cannot change the verdict.
class HeadScanner {
 public:
  // The error this byte makes, or a status of 0.
  HttpError scan(char c, const HttpLimits& limits) noexcept;
  // The empty line that ends the head has been seen.
  bool done() const noexcept { return done_; }
  // From here on: header lines without a request line, which trailers are.
  void begin_trailers() noexcept {
    *this = {};
    in_headers_ = true;
  }

 private:
  HttpError end_line() noexcept;
  HttpError take(char c, const HttpLimits& limits) noexcept;

  std::size_t line_length_ = 0;     // bytes of the current line
  std::size_t headers_length_ = 0;  // bytes of the header lines so far
  std::size_t fields_ = 0;
  bool in_headers_ = false;
  bool skipped_empty_ = false;
  bool after_return_ = false;  // the last byte was '\r'
  bool done_ = false;
};

struct Head {
  Request request;
  std::size_t content_length = 0;
  bool chunked = false;
};

// `lines`: header lines, each with its "\r\n": is a name all there is before each first colon?
bool names_are_tokens(std::string_view lines) noexcept;

// `head` is what HeadScanner found to be complete, up to and with the empty line.
std::expected<Head, HttpError> parse_head(std::string head, const HttpLimits& limits);

}  // namespace polyio::proto
