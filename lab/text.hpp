// Text for a terminal of 80 columns.
#pragma once

#include <string>
#include <string_view>

namespace polyio::lab {

// Lines that fit, all but the first indented.
std::string wrapped(std::string_view text, std::size_t indent);

// A figure in at most 10 columns: "12,345", "5.12", "0.0031".
std::string number(double value);

}  // namespace polyio::lab
