// Which part of a long suite this run takes. POLYIO_PART=2/4 is the third of four parts; the parts
// 0/4 to 3/4 together are the whole suite, and so is a run without POLYIO_PART.
#pragma once

#include <fmt/format.h>

#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string_view>

namespace polyio::test {

struct Part {
  std::uint64_t number = 0, of = 1;

  // Each item is in one part.
  bool has(std::uint64_t item) const { return item % of == number; }
};

// Throws std::invalid_argument when POLYIO_PART is not NUMBER/OF with NUMBER < OF.
inline Part part() {
  const char* const text = std::getenv("POLYIO_PART");
  if (!text) return {};
  const std::string_view view(text);
  const char* const end = view.data() + view.size();
  Part part;
  const auto number = std::from_chars(view.data(), end, part.number);
  if (number.ec == std::errc{} && number.ptr != end && *number.ptr == '/') {
    const auto of = std::from_chars(number.ptr + 1, end, part.of);
    if (of.ec == std::errc{} && of.ptr == end && part.number < part.of) return part;
  }
  throw std::invalid_argument(fmt::format("POLYIO_PART={} is no part such as 2/4", text));
}

}  // namespace polyio::test
