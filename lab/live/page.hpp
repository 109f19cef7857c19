// The live page, as web/live builds it: one file with its script and its style, compiled in.
#pragma once

#include <string>
#include <string_view>

namespace polyio::lab {

std::string_view live_page();

// The Content-Security-Policy that the page says of itself, for its header: there it also holds
// what a page can't say, that no other page may frame it.
std::string policy_of(std::string_view page);

}  // namespace polyio::lab
