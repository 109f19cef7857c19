#include "page.hpp"

#include <polyio/base/assert.hpp>

namespace polyio::lab {

std::string policy_of(std::string_view page) {
  constexpr std::string_view before = R"(http-equiv="Content-Security-Policy" content=")";
  const std::size_t found = page.find(before);
  POLYIO_ASSERT(found != page.npos);
  const std::string_view rest = page.substr(found + before.size());
  return std::string(rest.substr(0, rest.find('"'))) + "; frame-ancestors 'none'";
}

}  // namespace polyio::lab
