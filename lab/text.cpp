#include "text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "plan.hpp"

namespace polyio::lab {
namespace {

constexpr std::size_t columns = 80, longest_word = 50;

bool continues(char c) { return (static_cast<unsigned char>(c) & 0xc0u) == 0x80; }

}  // namespace

std::string wrapped(std::string_view text, std::size_t indent) {
  std::string out;
  for (std::size_t column = 0; !text.empty();) {
    std::size_t end = std::min({text.find(' '), text.size() - 1, longest_word - 1}) + 1;
    while (end < text.size() && continues(text[end])) ++end;
    const std::string_view word = text.substr(0, end);
    const auto width =
        word.size() - static_cast<std::size_t>(std::ranges::count_if(word, continues));
    if (column + width > columns) {
      if (out.ends_with(' ')) out.pop_back();
      out += "\n" + std::string(indent, ' ');
      column = indent;
    }
    out += word;
    column += width;
    text.remove_prefix(end);
  }
  return out + "\n";
}

std::string number(double value) {
  if (value >= 1000 && value < 99'999'999) {
    return grouped(static_cast<std::uint64_t>(std::llround(value)));
  }
  const bool plain = std::abs(value) >= 0.001 && std::abs(value) < 1000;
  return plain ? fmt::format("{:.4g}", value) : fmt::format("{:.3g}", value);
}

}  // namespace polyio::lab
