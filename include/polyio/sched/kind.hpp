// Kind: the positions of the dial "which one runs next", for loops and pools, and their names.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace polyio::sched {

enum class Kind : std::uint8_t { fcfs, sjf, rr, mlfq };
inline constexpr std::array<std::string_view, 4> kind_names{"fcfs", "sjf", "rr", "mlfq"};

constexpr std::string_view name_of(Kind kind) noexcept {
  return kind_names[static_cast<std::size_t>(kind)];
}
// None: there is no such policy.
constexpr std::optional<Kind> find_kind(std::string_view name) noexcept {
  const auto* const found = std::ranges::find(kind_names, name);
  if (found == kind_names.end()) return std::nullopt;
  return static_cast<Kind>(found - kind_names.begin());
}

}  // namespace polyio::sched
