// ChunkReader: a chunked body (RFC 9112 section 7.1) as it arrives. The rule: each byte is judged
// by those before it alone; extensions and trailers are bounded and dropped.
#pragma once

#include <string>
#include <string_view>

#include "http_head.hpp"

namespace polyio::proto {

class ChunkReader {
 public:
  // Takes bytes off the front of `input`, as far as the body reaches, and appends what they carry
  // to `body`. The error they make, or a status of 0.
  HttpError read(std::string_view& input, std::string& body, const HttpLimits& limits);
  // The empty line after the trailers has been seen.
  bool done() const noexcept { return trailers_.done(); }

 private:
  enum class At : unsigned char {
    size,
    space,
    extension,
    size_end,
    data,
    data_end,
    line_end,
    tail
  };
  HttpError scan(char c, std::size_t room, const HttpLimits& limits) noexcept;
  HttpError scan_size(char c, std::size_t room) noexcept;
  HttpError scan_trailer(char c, const HttpLimits& limits);

  At at_ = At::size;
  std::size_t digits_ = 0;
  std::size_t left_ = 0;  // bytes of the chunk: its size as far as it is read, then what is to come
  std::size_t extensions_ = 0;
  HeadScanner trailers_;
  std::string trailer_lines_;
};

}  // namespace polyio::proto
