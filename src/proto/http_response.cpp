#include <fmt/chrono.h>
#include <fmt/format.h>
#include <polyio/base/assert.hpp>
#include <polyio/proto/http.hpp>

#include <iterator>

#include "ascii.hpp"

namespace polyio::proto {
namespace {

bool framing_header(std::string_view name) noexcept {
  return equal_ignoring_case(name, "Content-Length") ||
         equal_ignoring_case(name, "Transfer-Encoding");
}

void append_value(std::string& out, std::string_view value) {
  for (const char c : value) out.push_back(is_control(c) && c != '\t' ? ' ' : c);
}

}  // namespace

std::string_view reason_phrase(int status) noexcept {
  switch (status) {
    case 100: return "Continue";
    case 101: return "Switching Protocols";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 411: return "Length Required";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 416: return "Range Not Satisfiable";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 426: return "Upgrade Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    case 507: return "Insufficient Storage";
    default: return "Unknown";
  }
}

std::string response(int status, std::span<const HeaderView> headers, std::string_view body,
                     Body sent) {
  POLYIO_ASSERT(status >= 100 && status <= 999);
  const bool bodiless = status < 200 || status == 204;
  POLYIO_ASSERT(!bodiless || body.empty());
  std::string out = fmt::format("HTTP/1.1 {} {}\r\n", status, reason_phrase(status));
  for (const auto& [name, value] : headers) {
    POLYIO_ASSERT(is_token(name) && !framing_header(name));
    out.append(name).append(": ");
    append_value(out, value);
    out += "\r\n";
  }
  if (!bodiless) fmt::format_to(std::back_inserter(out), "Content-Length: {}\r\n", body.size());
  out += "\r\n";
  if (sent == Body::sent && status != 304) out += body;
  return out;
}

std::string response(int status, std::initializer_list<HeaderView> headers, std::string_view body,
                     Body sent) {
  return response(status, std::span(headers.begin(), headers.size()), body, sent);
}

std::string with_date(std::string response, std::int64_t seconds) {
  const std::string line = fmt::format("Date: {:%a, %d %b %Y %H:%M:%S} GMT\r\n",
                                       fmt::gmtime(static_cast<std::time_t>(seconds)));
  response.insert(response.find("\r\n") + 2, line);
  return response;
}

std::string error_response(const HttpError& error) {
  const std::string body =
      fmt::format("{} {}: {}\n", error.status, reason_phrase(error.status), error.reason);
  return response(error.status,
                  {{"Content-Type", "text/plain; charset=utf-8"}, {"Connection", "close"}}, body);
}

}  // namespace polyio::proto
