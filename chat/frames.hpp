// What the page's protocol says about many things at once, and what the page says
// (docs/chat-page.md).
#pragma once

#include <deque>
#include <map>
#include <string>
#include <string_view>

#include "message.hpp"

namespace polyio::chat {

inline constexpr std::size_t listed_names = 500;  // of who is here; the rest is a number

std::string history_frame(const std::deque<MessagePtr>& history);
// `you` is among those listed when it is in `names`.
std::string who_frame(const std::map<std::uint64_t, Name>& names, std::uint64_t you);

// A page's request. Anything that is not one parses as `none`.
struct Command {
  enum class Kind { none, say, nick };
  Kind kind = Kind::none;
  std::string text;
};
Command parse_command(std::string_view text);

}  // namespace polyio::chat
