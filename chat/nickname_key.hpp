// What two nicknames are compared by: names that look alike, or differ in case only, have the same
// key.
#pragma once

#include <string>
#include <string_view>

namespace polyio::chat {

// Unicode's NFKC_Casefold (UAX #31): composed and decomposed spellings, full and half width, upper
// and lower case of every script are one; letters of different scripts that look alike are not.
// `name`: valid UTF-8. Thread-safe.
std::string nickname_key(std::string_view name);

}  // namespace polyio::chat
