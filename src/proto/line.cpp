#include <polyio/base/assert.hpp>
#include <polyio/proto/line.hpp>

namespace polyio::proto {

void LineReader::feed(std::span<const std::byte> bytes) noexcept {
  POLYIO_ASSERT(input_.empty());
  input_ = {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Gives the heap memory back; clear() alone would keep it for the connection's life.
void LineReader::release() noexcept {
  std::string().swap(partial_);
  answered_ = false;
}

std::optional<Result<std::string_view>> LineReader::next() {
  if (answered_) release();
  while (!input_.empty()) {
    const std::size_t newline = input_.find('\n');
    const bool whole = newline != input_.npos;
    const std::string_view piece = input_.substr(0, newline);
    input_.remove_prefix(whole ? newline + 1 : input_.size());
    if (discarding_) {
      discarding_ = !whole;
      continue;
    }
    const char last = !piece.empty() ? piece.back() : partial_.empty() ? '\0' : partial_.back();
    const std::size_t return_bytes = last == '\r' ? 1 : 0;
    // A '\r' at the end of an unfinished piece may belong to the line's end: it does not count yet.
    const std::size_t length = partial_.size() + piece.size() - return_bytes;
    if (length > max_line_) {
      release();
      discarding_ = !whole;
      return fail(Errc::line_too_long);
    }
    if (whole && partial_.empty()) return piece.substr(0, length);
    partial_.append(piece);
    if (!whole) continue;
    answered_ = true;
    return std::string_view(partial_).substr(0, length);
  }
  return std::nullopt;
}

std::optional<Result<std::string_view>> LineReader::finish() {
  POLYIO_ASSERT(input_.empty());
  if (answered_) release();
  discarding_ = false;
  if (partial_.empty()) return std::nullopt;
  answered_ = true;
  std::string_view line = partial_;
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

}  // namespace polyio::proto
