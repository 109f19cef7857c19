#include "ascii.hpp"
#include "http_head.hpp"

namespace polyio::proto {

HttpError HeadScanner::scan(char c, const HttpLimits& limits) noexcept {
  if (after_return_) {
    after_return_ = false;
    if (c != '\n') return {400, "a CR without an LF"};
    return end_line();
  }
  if (c == '\r') {
    after_return_ = true;
    return {};
  }
  if (c == '\n') return {400, "an LF without a CR"};
  return take(c, limits);
}

HttpError HeadScanner::end_line() noexcept {
  if (line_length_ == 0) {
    if (in_headers_) {
      done_ = true;
    } else if (skipped_empty_) {
      return {400, "more than one empty line before the request"};
    }
    skipped_empty_ = true;
    return {};
  }
  in_headers_ = true;
  line_length_ = 0;
  return {};
}

HttpError HeadScanner::take(char c, const HttpLimits& limits) noexcept {
  if (is_control(c) && c != '\t') return {400, "a control character in the head"};
  if (!in_headers_) {
    if (++line_length_ > limits.max_request_line) return {414, "the request line is too long"};
    return {};
  }
  if (line_length_++ == 0) {
    if (c == ' ' || c == '\t') return {400, "a folded header line"};
    if (++fields_ > limits.max_fields) return {431, "too many header lines"};
    headers_length_ += 2;  // its CR and LF, which are still to come
  }
  if (++headers_length_ > limits.max_headers) return {431, "the header lines are too long"};
  return {};
}

}  // namespace polyio::proto
