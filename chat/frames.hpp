// The frames of the page's protocol that list many things, and the page's own requests
// (docs/chat-page.md).
#pragma once

#include <deque>
#include <map>
#include <string>
#include <string_view>

#include "message.hpp"

namespace polyio::chat {

// Bytes of the history that are sent in one go: more only when they are taken.
inline constexpr std::size_t history_chunk = 32 * 1024;

// From `messages[from]` on as many old messages as make some 32 KiB; `from` moves on. `first`: they
// replace what a page shows.
std::string history_frame(const std::deque<MessagePtr>& messages, std::size_t& from, bool first);
std::string who_frame(const std::map<std::uint64_t, Name>& names, std::size_t total);
std::string total_frame(std::size_t total);

// A page's request. Anything else parses as `none`.
struct Command {
  enum class Kind { none, say, nick };
  Kind kind = Kind::none;
  std::string text;
};
Command parse_command(std::string_view text);

}  // namespace polyio::chat
