#include "deflate.hpp"

#include <zlib.h>

#include <array>
#include <limits>
#include <new>

namespace polyio::proto {
namespace {

constexpr std::string_view tail{"\0\0\xff\xff", 4};  // an empty block, which ends every message
constexpr int memory_level = 5;                      // with the window, 40 KB
constexpr std::size_t most_at_once = std::numeric_limits<uInt>::max();

// zlib does not write to its input.
Bytef* input(std::string_view bytes) noexcept {
  return const_cast<Bytef*>(reinterpret_cast<const Bytef*>(bytes.data()));
}

}  // namespace

std::optional<std::string> deflated(std::string_view text) {
  if (text.size() > most_at_once) return std::nullopt;
  z_stream stream{};
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -deflate_window_bits, memory_level,
                   Z_DEFAULT_STRATEGY) != Z_OK) {
    throw std::bad_alloc();
  }
  const std::unique_ptr<z_stream, decltype(&deflateEnd)> ended(&stream, &deflateEnd);
  std::string out(text.size(), '\0');
  stream.next_in = input(text);
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  (void)deflate(&stream, Z_SYNC_FLUSH);
  if (stream.avail_out == 0) return std::nullopt;
  out.resize(out.size() - stream.avail_out - tail.size());
  return out;
}

struct Inflater::Stream : z_stream {};

Inflater::Inflater() : stream_(std::make_unique<Stream>()) {
  if (inflateInit2(stream_.get(), -MAX_WBITS) != Z_OK) throw std::bad_alloc();
}

Inflater::~Inflater() { inflateEnd(stream_.get()); }

Inflater::Result Inflater::add(std::string_view bytes, std::string& out, std::size_t limit) {
  Stream& stream = *stream_;
  std::array<char, 4096> piece;
  stream.next_in = input(bytes);
  stream.avail_in = static_cast<uInt>(bytes.size());
  for (;;) {
    stream.next_out = reinterpret_cast<Bytef*>(piece.data());
    stream.avail_out = piece.size();
    const int result = inflate(&stream, Z_NO_FLUSH);
    if (result == Z_MEM_ERROR) throw std::bad_alloc();
    const std::size_t got = piece.size() - stream.avail_out;
    if (got > limit - out.size()) return Result::too_big;
    out.append(piece.data(), got);
    // A last block may be followed by others, which refer to nothing before them.
    if (result == Z_STREAM_END) {
      (void)inflateReset(&stream);
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
      return Result::malformed;
    }
    if (stream.avail_in == 0 && stream.avail_out > 0) return Result::fine;
  }
}

Inflater::Result Inflater::finish(std::string& out, std::size_t limit) {
  constexpr int between_blocks = 128;  // zlib.h, of data_type
  const Result result = add(tail, out, limit);
  const bool whole = (stream_->data_type & between_blocks) != 0;
  return result == Result::fine && !whole ? Result::malformed : result;
}

}  // namespace polyio::proto
