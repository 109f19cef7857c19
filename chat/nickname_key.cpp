#include "nickname_key.hpp"

#include <utf8proc.h>

#include <cstdlib>
#include <memory>
#include <new>

namespace polyio::chat {

std::string nickname_key(std::string_view name) {
  utf8proc_uint8_t* folded = nullptr;
  constexpr int nfkc_casefold =
      UTF8PROC_STABLE | UTF8PROC_COMPAT | UTF8PROC_COMPOSE | UTF8PROC_CASEFOLD | UTF8PROC_IGNORE;
  const auto length = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(name.data()),
                                   static_cast<utf8proc_ssize_t>(name.size()), &folded,
                                   static_cast<utf8proc_option_t>(nfkc_casefold));
  if (length == UTF8PROC_ERROR_NOMEM) throw std::bad_alloc();
  if (length < 0) return std::string(name);  // no valid UTF-8
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owned(folded, std::free);
  return {reinterpret_cast<const char*>(folded), static_cast<std::size_t>(length)};
}

}  // namespace polyio::chat
