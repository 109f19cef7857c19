// The answers of a server that shows a web page of its own: files, short texts and JSON, with the
// headers that keep a page to itself. The rule: Connection says what Request::keep_alive says (the
// server that will close clears it first), a request by HEAD gets the same head and no body.
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
// The same of JSON; `headers`: more of them.
std::string json_response(const Request& request, int status, std::string_view json,
                          std::span<const HeaderView> headers = {});
// 405 for a request by a method that is not in the list `allowed`; empty for the others.
std::string refuse_method(const Request& request, std::string_view allowed = "GET, HEAD");
// 415 for a request whose Content-Type is not `type` (parameters aside), or whose body has a coding
// (RFC 9110 section 15.5.16); empty for the others.
std::string refuse_content(const Request& request, std::string_view type);

}  // namespace polyio::proto
