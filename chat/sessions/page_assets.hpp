// The files of the chat page (web/dist), compiled in by polyio_embed() of cmake/embed.cmake.
#pragma once

#include <span>
#include <string_view>

namespace polyio::chat {

/// One file. Everything lives as long as the program.
struct Asset {
  std::string_view path;          ///< as requested: "/" (index.html), "/assets/app.js"
  std::string_view content_type;  ///< value of the Content-Type header
  std::string_view body;
  std::string_view etag;  ///< value of the ETag header, quotes included: a hash of the body
};

/// All of them, sorted by path. Thread-safe.
[[nodiscard]] std::span<const Asset> page_assets();

}  // namespace polyio::chat
