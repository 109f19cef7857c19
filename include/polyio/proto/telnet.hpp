// TelnetFilter: takes telnet's commands (RFC 854) out of what a line client sends, because terminal
// programs in their telnet mode open with option negotiation. The rule: only a connection whose
// first byte is IAC, which no text begins with, speaks telnet; all others pass untouched.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace polyio::proto {

// Not thread-safe; holds no memory of its own.
class TelnetFilter {
 public:
  static constexpr std::size_t max_subnegotiation = 1024;  // bytes

  // Whether filter() has anything to do with the next bytes: ask before each piece.
  bool applies(std::span<const std::byte> bytes) noexcept;
  // `bytes` without the commands; a return with a NUL, which is telnet's bare return, becomes a
  // line's end. A doubled IAC is one.
  std::string filter(std::span<const std::byte> bytes);
  // A subnegotiation was longer than the bound: what follows is no text.
  bool broken() const noexcept { return length_ > max_subnegotiation; }

 private:
  enum class State : std::uint8_t { first, off, text, command, option, inside, inside_command };
  void take(unsigned char byte, std::string& text);

  State state_ = State::first;
  bool after_return_ = false;
  std::uint16_t length_ = 0;  // of the subnegotiation
};

}  // namespace polyio::proto
