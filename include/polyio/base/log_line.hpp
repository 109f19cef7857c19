// LogLine: one line for a log, with its level. The rule: it is a text like any other, to whoever
// writes it and to whoever takes it; a level is said where something goes wrong.
#pragma once

#include <concepts>
#include <cstdint>
#include <string_view>

namespace polyio {

// error: something does not work, and an administrator is needed; warning: something was refused,
// cut or lost; info: what happens.
enum class LogLevel : std::uint8_t { error, warning, info };

// The text's owner must outlive it.
struct LogLine {
  // Implicit, as is the way back, so that a function that takes a text takes lines.
  LogLine(const std::convertible_to<std::string_view> auto& what, LogLevel how = LogLevel::info)
      : text(what), level(how) {}
  operator std::string_view() const noexcept { return text; }
  std::string_view text;
  LogLevel level;
};

}  // namespace polyio
