#include "http_head.hpp"

#include <llhttp.h>
#include <polyio/proto/sniff.hpp>

#include <utility>

#include "ascii.hpp"

namespace polyio::proto {
namespace {

std::unexpected<HttpError> refuse(int status, std::string_view reason) {
  return std::unexpected(HttpError{status, reason});
}

// What llhttp's callbacks fill in.
struct Collector {
  std::vector<Header> headers;
  std::string name, value;
};
Collector& collector(llhttp_t* parser) { return *static_cast<Collector*>(parser->data); }

const llhttp_settings_t& settings() {
  static const llhttp_settings_t made = [] {
    llhttp_settings_t s;
    llhttp_settings_init(&s);
    s.on_header_field = [](llhttp_t* parser, const char* at, std::size_t length) {
      collector(parser).name.append(at, length);
      return 0;
    };
    s.on_header_value = [](llhttp_t* parser, const char* at, std::size_t length) {
      collector(parser).value.append(at, length);
      return 0;
    };
    s.on_header_value_complete = [](llhttp_t* parser) {
      Collector& to = collector(parser);
      to.headers.push_back({std::exchange(to.name, {}), std::string(trimmed(to.value))});
      to.value.clear();
      return 0;
    };
    // Stops llhttp at the end of the head: bodies and upgrades are none of its business here.
    s.on_headers_complete = [](llhttp_t*) -> int { return HPE_PAUSED; };
    return s;
  }();
  return made;
}

std::expected<void, HttpError> run_llhttp(std::string_view head, Head& into) {
  Collector collected;
  llhttp_t parser;
  llhttp_init(&parser, HTTP_REQUEST, &settings());
  parser.data = &collected;
  const llhttp_errno_t error = llhttp_execute(&parser, head.data(), head.size());
  if (error == HPE_INVALID_METHOD) return refuse(501, "this method is not known here");
  if (error == HPE_INVALID_CONTENT_LENGTH) return refuse(400, "Content-Length is not a number");
  if (error == HPE_UNEXPECTED_CONTENT_LENGTH) {
    return refuse(400, "more than one Content-Length, or one with Transfer-Encoding");
  }
  if (error == HPE_INVALID_TRANSFER_ENCODING) {
    return refuse(400, "chunked must be the last Transfer-Encoding, once");
  }
  if (error != HPE_PAUSED) return refuse(400, "the request is malformed");
  into.request.headers = std::move(collected.headers);
  into.request.keep_alive = llhttp_should_keep_alive(&parser) != 0;
  into.content_length = parser.content_length;
  return {};
}

// What stands for Host in a target's absolute form; empty in the other forms.
std::string_view authority_of(std::string_view target) noexcept {
  const std::size_t scheme = starts_ignoring_case(target, "http://")    ? 7
                             : starts_ignoring_case(target, "https://") ? 8
                                                                        : 0;
  return scheme == 0 ? std::string_view()
                     : target.substr(scheme, target.find_first_of("/?", scheme) - scheme);
}

// The path of a target in one of the four forms of RFC 9112 section 3.2, empty if it has none of
// them.
std::string_view path_of(std::string_view method, std::string_view target) noexcept {
  if (method == "CONNECT" || target == "*") {
    return method == "CONNECT" || method == "OPTIONS" ? target : std::string_view();
  }
  if (!target.starts_with('/')) {
    const std::string_view authority = authority_of(target);
    if (authority.empty()) return {};
    target.remove_prefix(static_cast<std::size_t>(authority.data() - target.data()) +
                         authority.size());
    if (!target.starts_with('/')) return "/";
  }
  return target.substr(0, target.find('?'));
}

std::expected<void, HttpError> parse_request_line(std::string_view line, Request& into) {
  if (!is_http_request_line(line)) return refuse(400, "the request line is malformed");
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  const std::string_view version = line.substr(last + 1);
  if (!version.starts_with("HTTP/")) return refuse(400, "the version is malformed");
  if (!version.starts_with("HTTP/1.")) {
    return refuse(505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
  }
  into.minor_version = version.ends_with('0') ? 0 : 1;
  into.method = line.substr(0, first);
  into.target = line.substr(first + 1, last - first - 1);
  if (!std::ranges::all_of(into.target, is_visible) || into.target.contains('#')) {
    return refuse(400, "the target has a character that must be escaped");
  }
  into.path = path_of(into.method, into.target);
  if (into.path.empty()) return refuse(400, "the target is malformed");
  return {};
}

// uri-host [ ":" port ], RFC 9110 section 7.2, as far as its characters go.
bool host_is_well_formed(std::string_view host) noexcept {
  return std::ranges::all_of(host, [](char c) {
    return is_digit(c) || is_alpha(c) ||
           (c != '\0' && std::string_view("-._~%!$&'()*+,;=:[]").contains(c));
  });
}

// RFC 9112 section 6.1. What section 6.3 refuses besides, llhttp has refused: a Content-Length
// beside it, chunked in another place than the last.
std::expected<void, HttpError> check_transfer_encoding(const Request& request) {
  if (request.minor_version == 0) return refuse(400, "a Transfer-Encoding needs HTTP/1.1");
  const std::string codings = request.joined("Transfer-Encoding");
  if (equal_ignoring_case(codings, "chunked")) return {};
  if (codings.empty()) return refuse(400, "Transfer-Encoding is empty");
  return refuse(501, "no Transfer-Encoding but chunked is known here");
}

std::expected<void, HttpError> check_fields(Head& head, const HttpLimits& limits) {
  Request& request = head.request;
  const std::size_t hosts = request.count("Host");
  if (hosts > 1) return refuse(400, "more than one Host");
  if (hosts == 0 && request.minor_version == 1) return refuse(400, "Host is missing");
  if (const auto authority = authority_of(request.target); hosts == 1 && !authority.empty()) {
    std::ranges::find_if(request.headers, [](const Header& h) {
      return equal_ignoring_case(h.name, "Host");
    })->value = authority;
  }
  if (hosts == 1 && !host_is_well_formed(*request.header("Host"))) {
    return refuse(400, "Host is malformed");
  }
  if (request.minor_version == 1 && request.count("Expect") > 0 &&
      !equal_ignoring_case(request.joined("Expect"), "100-continue")) {
    return refuse(417, "no expectation but 100-continue is known here");
  }
  head.chunked = request.count("Transfer-Encoding") > 0;
  if (head.chunked) return check_transfer_encoding(request);
  if (head.content_length > limits.max_body) return refuse(413, "the body is too large");
  return {};
}

}  // namespace

bool names_are_tokens(std::string_view lines) noexcept {
  while (!lines.empty()) {
    const std::string_view line = lines.substr(0, lines.find("\r\n"));
    const std::size_t colon = line.find(':');
    if (colon == line.npos || !is_token(line.substr(0, colon))) return false;
    lines.remove_prefix(line.size() + 2);
  }
  return true;
}

std::expected<Head, HttpError> parse_head(std::string head, const HttpLimits& limits) {
  Head result;
  if (head.starts_with("\r\n")) head.erase(0, 2);
  const std::size_t line_end = head.find("\r\n");
  const auto line = parse_request_line(std::string_view(head).substr(0, line_end), result.request);
  if (!line) return std::unexpected(line.error());
  if (result.request.minor_version == 1) head[line_end - 1] = '1';  // llhttp knows no later one
  const std::size_t headers = line_end + 2;
  if (!names_are_tokens(std::string_view(head).substr(headers, head.size() - headers - 2))) {
    return refuse(400, "a header line is malformed");
  }
  const auto parsed = run_llhttp(head, result);
  if (!parsed) return std::unexpected(parsed.error());
  const auto checked = check_fields(result, limits);
  if (!checked) return std::unexpected(checked.error());
  return result;
}

}  // namespace polyio::proto
