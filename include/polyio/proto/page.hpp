// The answers of a server that shows a web page of its own: files and short texts, with the headers
// that keep a page to itself. The rule: every answer ends the connection, a request by HEAD gets
// the same head and no body.
#pragma once

#include <polyio/proto/http.hpp>

#include <string>
#include <string_view>

namespace polyio::proto {

// A file; `etag` with its quotes.
struct PageFile {
  std::string_view content_type, body, etag;
};

// 200, or 304 if the browser has it. `policy`: the Content-Security-Policy.
std::string page_response(const Request& request, const PageFile& file, std::string_view policy);
// A text, which is not kept.
std::string text_response(const Request& request, int status, std::string_view words);
// What a request by another method than GET and HEAD gets; empty for those.
std::string refuse_method(const Request& request);

}  // namespace polyio::proto
