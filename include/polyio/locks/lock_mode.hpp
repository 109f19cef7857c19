// LockMode and Resource: what a LockTable locks, and how. The five modes of Gray (Granularity of
// Locks and Degrees of Consistency in a Shared Data Base, 1976), as databases have them: a session
// that locks a row announces it on the table by an intention, so that a lock on the table conflicts
// with it. Plain values that mean the same in every process; a wrong one is an error, never
// trusted.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace polyio::ipc {

// none: no lock. IS, IX: rows of the table are read, written. S: reads, all of it. SIX: reads all
// of it and writes some rows. X: writes.
enum class LockMode : std::uint32_t { none, IS, IX, S, SIX, X };
inline constexpr std::uint32_t lock_modes = 6;

namespace lock_mode {

constexpr std::uint32_t bit(LockMode mode) noexcept {
  return 1u << static_cast<std::uint32_t>(mode);
}
// The modes that no other session may hold at the same time, as a set of bits.
constexpr std::uint32_t conflicts(LockMode mode) noexcept {
  using enum LockMode;
  constexpr std::array<std::uint32_t, lock_modes> sets = {
      0,
      bit(X),
      bit(S) | bit(SIX) | bit(X),
      bit(IX) | bit(SIX) | bit(X),
      bit(IX) | bit(S) | bit(SIX) | bit(X),
      bit(IS) | bit(IX) | bit(S) | bit(SIX) | bit(X),
  };
  return sets[static_cast<std::uint32_t>(mode)];
}
// The intention that a lock on a row needs on its table: IS for S, IX for X.
constexpr LockMode intention(LockMode of_row) noexcept {
  if (of_row == LockMode::none) return LockMode::none;
  return of_row == LockMode::S ? LockMode::IS : LockMode::IX;
}
constexpr std::string_view name(LockMode mode) noexcept {
  constexpr std::array<std::string_view, lock_modes> names = {"none", "IS", "IX", "S", "SIX", "X"};
  return mode <= LockMode::X ? names[static_cast<std::uint32_t>(mode)] : "?";
}

}  // namespace lock_mode

// Whether two sessions may hold these on one resource at the same time.
constexpr bool compatible(LockMode a, LockMode b) noexcept {
  return (lock_mode::conflicts(a) & lock_mode::bit(b)) == 0;
}
// The weakest mode that allows what both allow: S and IX make SIX.
constexpr LockMode stronger_of(LockMode a, LockMode b) noexcept {
  if ((a == LockMode::S && b == LockMode::IX) || (a == LockMode::IX && b == LockMode::S)) {
    return LockMode::SIX;
  }
  return std::max(a, b);
}

// A table, or one row of it: `{"accounts"}`, `{"accounts", 17}`.
class Resource {
 public:
  static constexpr std::size_t longest_name = 31;  // bytes

  Resource() = default;
  Resource(std::string_view table) noexcept { set_name(table); }
  Resource(const char* table) noexcept : Resource(std::string_view(table)) {}
  Resource(std::string_view table, std::uint64_t row) noexcept : row_(row), is_row_(1) {
    set_name(table);
  }
  bool operator==(const Resource&) const = default;

  std::string_view table() const noexcept {
    return {table_.data(), ::strnlen(table_.data(), longest_name)};
  }
  bool is_row() const noexcept { return is_row_ != 0; }
  std::uint64_t row() const noexcept { return row_; }
  // The table that a row belongs to; of a table, itself.
  Resource whole_table() const noexcept {
    Resource whole = *this;
    whole.row_ = whole.is_row_ = 0;
    return whole;
  }
  // False: the name was empty, too long or contained control characters.
  bool valid() const noexcept { return valid_name(table()); }
  // "accounts", "accounts[17]".
  std::string text() const;
  std::uint64_t hash() const noexcept {
    std::uint64_t hash = (row_ + is_row_) * 0x9e3779b97f4a7c15u;
    for (std::size_t i = 0; i < table_.size(); i += sizeof hash) {
      std::uint64_t part;
      std::memcpy(&part, table_.data() + i, sizeof part);
      hash = (hash ^ part) * 0xff51afd7ed558ccdu;
      hash ^= hash >> 32;
    }
    return hash;
  }

  // 1 to longest_name bytes, none of them a control character: also the rule for sessions' names.
  static bool valid_name(std::string_view name) noexcept {
    return !name.empty() && name.size() <= longest_name &&
           std::ranges::none_of(name, [](unsigned char c) { return c < 32 || c == 127; });
  }

 private:
  void set_name(std::string_view table) noexcept {
    if (valid_name(table)) std::memcpy(table_.data(), table.data(), table.size());
  }

  std::array<char, longest_name + 1> table_{};  // zeros behind the name
  std::uint64_t row_ = 0;
  std::uint64_t is_row_ = 0;
};

}  // namespace polyio::ipc
