// What names of people and rooms are compared by, and which are refused, so that none passes for
// another: names that look alike, or differ in case only, have the same key.
#pragma once

#include <expected>
#include <string>
#include <string_view>

namespace polyio::chat {

// Unicode's NFKC_Casefold (UAX #31) and the skeleton of UTS #39: composed and decomposed spellings,
// full and half width, upper and lower case of every script are one, and so are letters of
// different scripts that look alike. Since I looks like l in one and is i in the other, i and l are
// one, too. `name`: valid UTF-8. Not for people to read. Thread-safe.
std::string nickname_key(std::string_view name);

// Refuses what a key can't say: scripts mixed (UTS #39, moderately restrictive: Latin may stand
// beside Chinese, Japanese, Korean and others, but not beside Cyrillic or Greek), digits of two
// scripts, marks that hide, another script's capitals that look like Latin ones, and what looks
// like the address form ('host', port). The error is a sentence for its owner. `name`: valid UTF-8;
// goes beside proto::check_nickname(), which counts and looks for what is invisible. Thread-safe.
std::expected<void, std::string> check_name(std::string_view name);

// Both: what a new name must pass.
std::expected<void, std::string> check_nickname(std::string_view name);

}  // namespace polyio::chat
