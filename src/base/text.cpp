#include <fmt/format.h>

#include <iterator>
#include <polyio/base/text.hpp>

namespace polyio {
namespace {

constexpr unsigned char byte_at(std::string_view text, std::size_t at) noexcept {
  return static_cast<unsigned char>(text[at]);
}
constexpr bool continues(unsigned char byte) noexcept { return (byte & 0xc0u) == 0x80u; }

bool valid_utf8(std::string_view text) noexcept {
  while (!text.empty()) {
    const std::size_t length = first_code_point(text).length;
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

// At most `max_bytes` of it, without half a code point at the end.
std::string_view cut_to(std::string_view bytes, std::size_t max_bytes) noexcept {
  std::size_t end = max_bytes;
  // Back to the start of the code point, three steps at most: in UTF-8 no more are needed.
  for (int step = 0; step < 3 && end > 0 && continues(byte_at(bytes, end)); ++step) --end;
  return bytes.substr(0, end);
}

bool harmless(char32_t c) noexcept {
  return c != '\\' && c != '\t' && !is_control(c) && !is_line_separator(c) &&
         !is_direction_control(c);
}

}  // namespace

CodePoint first_code_point(std::string_view text) noexcept {
  if (text.empty()) return {};
  const unsigned char lead = byte_at(text, 0);
  if (lead < 0x80) return {lead, 1};
  const std::size_t length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < length) return {};
  char32_t value = lead & (0x7fu >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if (!continues(byte_at(text, i))) return {};
    value = value << 6 | (byte_at(text, i) & 0x3fu);
  }
  constexpr char32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = value >= 0xd800 && value <= 0xdfff;
  if (value < smallest[length] || value > 0x10ffff || surrogate) return {};
  return {value, length};
}

std::string escape_for_log(std::string_view bytes, std::size_t max_bytes) {
  const bool cut = bytes.size() > max_bytes;
  if (cut) bytes = cut_to(bytes, max_bytes);
  const bool utf8 = valid_utf8(bytes);
  std::string out;
  out.reserve(bytes.size() + 16);
  while (!bytes.empty()) {
    const unsigned char lead = byte_at(bytes, 0);
    const CodePoint c = utf8 ? first_code_point(bytes) : CodePoint{lead, 1};
    const bool keep = harmless(c.value) && (utf8 || lead < 0x80);
    for (const char one : bytes.substr(0, c.length)) {
      if (keep) {
        out.push_back(one);
      } else {
        fmt::format_to(std::back_inserter(out), "\\x{:02X}", static_cast<unsigned char>(one));
      }
    }
    bytes.remove_prefix(c.length);
  }
  if (cut) out += "...";
  return out;
}

}  // namespace polyio
