#include <polyio/proto/page.hpp>

#include "ascii.hpp"

namespace polyio::proto {
namespace {

std::string answer(const Request& request, int status, std::vector<HeaderView> headers,
                   std::string_view body) {
  headers.push_back({"Connection", request.keep_alive ? "keep-alive" : "close"});
  headers.push_back({"X-Content-Type-Options", "nosniff"});
  return response(status, headers, body, request.method == "HEAD" ? Body::left_out : Body::sent);
}

std::string unkept(const Request& request, int status, std::string_view type, std::string_view body,
                   std::span<const HeaderView> more) {
  std::vector<HeaderView> headers = {{"Content-Type", type}, {"Cache-Control", "no-store"}};
  headers.insert(headers.end(), more.begin(), more.end());
  return answer(request, status, std::move(headers), body);
}

std::string unkept_text(const Request& request, int status, std::string_view words,
                        std::span<const HeaderView> more = {}) {
  return unkept(request, status, "text/plain; charset=utf-8", words, more);
}

// RFC 9110 section 13.1.2.
bool browser_has(const Request& request, std::string_view etag) {
  return request.lists("If-None-Match", etag) || request.lists("If-None-Match", "*") ||
         request.lists("If-None-Match", "W/" + std::string(etag));
}

}  // namespace

std::string page_response(const Request& request, const PageFile& file, std::string_view policy) {
  return answer(request, browser_has(request, file.etag) ? 304 : 200,
                {{"Content-Type", file.content_type},
                 {"ETag", file.etag},
                 {"Cache-Control", "no-cache"},
                 {"Content-Security-Policy", policy},
                 {"Referrer-Policy", "no-referrer"},
                 {"Cross-Origin-Opener-Policy", "same-origin"},
                 {"Cross-Origin-Resource-Policy", "same-origin"}},
                file.body);
}

std::string text_response(const Request& request, int status, std::string_view words) {
  return unkept_text(request, status, words);
}

std::string json_response(const Request& request, int status, std::string_view json,
                          std::span<const HeaderView> headers) {
  return unkept(request, status, "application/json", json, headers);
}

std::string refuse_method(const Request& request, std::string_view allowed) {
  for (std::string_view rest = allowed; !rest.empty();) {
    if (take_part(rest, ',') == request.method) return {};
  }
  const HeaderView allow{"Allow", allowed};
  return unkept_text(request, 405, "only " + std::string(allowed) + " can be used here\n",
                     {&allow, 1});
}

std::string refuse_content(const Request& request, std::string_view type) {
  std::string_view sent = request.header("Content-Type").value_or("");
  const std::string coding = request.joined("Content-Encoding");
  if (!coding.empty() && !equal_ignoring_case(coding, "identity")) {
    constexpr HeaderView plain{"Accept-Encoding", "identity"};
    return unkept_text(request, 415, "send the body without a Content-Encoding\n", {&plain, 1});
  }
  if (equal_ignoring_case(take_part(sent, ';'), type)) return {};
  const HeaderView accept{"Accept", type};
  return unkept_text(request, 415, "send the body as " + std::string(type) + '\n', {&accept, 1});
}

}  // namespace polyio::proto
