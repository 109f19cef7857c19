#include "http_chunks.hpp"

#include "ascii.hpp"

namespace polyio::proto {
namespace {

constexpr HttpError malformed{400, "a chunk is malformed"};
constexpr std::size_t max_digits = 16;

}  // namespace

HttpError ChunkReader::read(std::string_view& input, std::string& body, const HttpLimits& limits) {
  while (!input.empty() && !done()) {
    if (at_ == At::data) {
      const std::string_view piece = input.substr(0, left_);
      body.append(piece);
      input.remove_prefix(piece.size());
      left_ -= piece.size();
      if (left_ == 0) at_ = At::data_end;
      continue;
    }
    const char c = input.front();
    input.remove_prefix(1);
    const HttpError error =
        at_ == At::tail ? scan_trailer(c, limits) : scan(c, limits.max_body - body.size(), limits);
    if (error.status != 0) return error;
  }
  return {};
}

HttpError ChunkReader::scan(char c, std::size_t room, const HttpLimits& limits) noexcept {
  const auto expect = [&](char wanted, At then) {
    at_ = then;
    return c == wanted ? HttpError{} : malformed;
  };
  switch (at_) {
    case At::size: return scan_size(c, room);
    case At::space:
    case At::extension:
      if (c == '\r' && at_ == At::extension) return expect('\r', At::size_end);
      if (++extensions_ > limits.max_headers) return {431, "the chunk extensions are too long"};
      if (at_ == At::space && c == ';') return expect(';', At::extension);
      if (at_ == At::space ? c != ' ' && c != '\t' : is_control(c) && c != '\t') return malformed;
      return {};
    case At::size_end:
      digits_ = 0;
      if (left_ == 0) trailers_.begin_trailers();
      return expect('\n', left_ == 0 ? At::tail : At::data);
    case At::data_end: return expect('\r', At::line_end);
    case At::line_end: return expect('\n', At::size);
    default: return {};
  }
}

HttpError ChunkReader::scan_size(char c, std::size_t room) noexcept {
  if (is_hex(c)) {
    if (++digits_ > max_digits) return malformed;
    left_ = left_ * 16 + hex_value(c);
    return left_ > room ? HttpError{413, "the body is too large"} : HttpError{};
  }
  if (digits_ == 0) return malformed;
  at_ = c == '\r'               ? At::size_end
        : c == ';'              ? At::extension
        : c == ' ' || c == '\t' ? At::space
                                : At::size;
  return at_ == At::size ? malformed : HttpError{};
}

HttpError ChunkReader::scan_trailer(char c, const HttpLimits& limits) {
  const HttpError error = trailers_.scan(c, limits);
  if (error.status != 0) return error;
  trailer_lines_ += c;
  if (!done()) return {};
  trailer_lines_.resize(trailer_lines_.size() - 2);
  return names_are_tokens(trailer_lines_) ? HttpError{} : HttpError{400, "a trailer is malformed"};
}

}  // namespace polyio::proto
