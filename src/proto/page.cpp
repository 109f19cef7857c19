#include <polyio/proto/page.hpp>

namespace polyio::proto {
namespace {

Body body_for(const Request& request) {
  return request.method == "HEAD" ? Body::left_out : Body::sent;
}

}  // namespace

std::string page_response(const Request& request, const PageFile& file, std::string_view policy) {
  const bool known = request.header("If-None-Match") == file.etag;
  return response(known ? 304 : 200,
                  {{"Content-Type", file.content_type},
                   {"ETag", file.etag},
                   {"Cache-Control", "no-cache"},
                   {"Connection", "close"},
                   {"Content-Security-Policy", policy},
                   {"X-Content-Type-Options", "nosniff"},
                   {"Referrer-Policy", "no-referrer"},
                   {"Cross-Origin-Opener-Policy", "same-origin"},
                   {"Cross-Origin-Resource-Policy", "same-origin"}},
                  known ? std::string_view() : file.body, body_for(request));
}

std::string text_response(const Request& request, int status, std::string_view words) {
  return response(status,
                  {{"Content-Type", "text/plain; charset=utf-8"},
                   {"Cache-Control", "no-store"},
                   {"Connection", "close"},
                   {"X-Content-Type-Options", "nosniff"}},
                  words, body_for(request));
}

std::string refuse_method(const Request& request) {
  if (request.method == "GET" || request.method == "HEAD") return {};
  return response(405, {{"Allow", "GET, HEAD"}, {"Connection", "close"}},
                  "only GET and HEAD are answered here\n");
}

}  // namespace polyio::proto
