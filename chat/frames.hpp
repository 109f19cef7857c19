// The frames of the page's protocol that list many things, and the page's own requests
// (docs/chat-page.md).
#pragma once

#include <deque>
#include <map>
#include <string>
#include <string_view>

#include "message.hpp"

namespace polyio::chat {

inline constexpr std::size_t listed_names = 500;  // in a list of people; the rest is a number

std::string history_frame(const std::deque<MessagePtr>& history);
// `you` is among those listed when it is in `names`.
std::string who_frame(const std::map<std::uint64_t, Name>& names, std::uint64_t you);

// A page's request. Anything else parses as `none`.
struct Command {
  enum class Kind { none, say, nick };
  Kind kind = Kind::none;
  std::string text;
};
Command parse_command(std::string_view text);

}  // namespace polyio::chat
