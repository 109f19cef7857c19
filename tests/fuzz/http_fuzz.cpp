// RequestParser: cuts, and what every accepted request must be like; the response writer: no value,
// come from wherever, adds a line; the checks of origin and upgrade on whatever was accepted.
#include <algorithm>

#include "fuzz.hpp"

namespace polyio::proto::test {
namespace {

constexpr HttpLimits limits{
    .max_request_line = 64, .max_headers = 256, .max_fields = 8, .max_body = 16};

bool clean(std::string_view text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) == text.npos;
}

void check_response(std::string_view value) {
  const std::string text = response(200, {{"X", value}}, "");
  const std::string_view rest = std::string_view(text).substr(text.find("\r\n") + 2);
  require(rest.find("\r\n") == 3 + value.size(), "a value stays on its line");
  require(rest.substr(5 + value.size()) == "Content-Length: 0\r\n\r\n", "nothing comes after it");
}

void check_request(const Request& request) {
  require(clean(request.method) && !request.method.empty(), "the method is clean");
  require(clean(request.target) && !request.path.empty(), "the target is clean");
  require(request.target.contains(request.path) || request.path == "/", "the path is the target's");
  require(!request.path.contains('?') || request.method == "CONNECT", "the path has no query");
  require(request.headers.size() <= limits.max_fields, "fields are bounded");
  require(request.body.size() <= limits.max_body, "the body is bounded");
  require(request.count("Host") + (1 - static_cast<std::size_t>(request.minor_version)) >= 1,
          "HTTP/1.1 has a Host");
  require(request.count("Host") <= 1 && request.count("Content-Length") <= 1, "framing is plain");
  require(request.count("Transfer-Encoding") + request.count("Content-Length") <= 1,
          "the body's end is said once");
  for (const Header& header : request.headers) {
    require(clean(header.value) && clean(header.name), "a header is clean");
    require(request.header(header.name).has_value(), "a header is found by its name");
    check_response(header.value);
  }
  const std::string host(request.header("Host").value_or(""));
  const bool named = request.header("Origin").has_value();
  if (named && origin_allowed(request))
    require(host_allowed(host), "an allowed page has this name");
  require(clean(deflate_answer(request)), "an extension's answer is clean");
  if (check_upgrade(request)) require(request.method == "GET", "an upgrade is a GET");
}

void check_requests(std::string_view text) {
  RequestParser parser(limits);
  for (auto left = std::as_bytes(std::span(text.data(), text.size())); !left.empty();) {
    const auto [progress, consumed] = parser.feed(left);
    require(consumed <= left.size(), "no more is consumed than there is");
    left = left.subspan(consumed);
    if (progress == RequestParser::Progress::complete) check_request(parser.take_request());
    if (progress == RequestParser::Progress::error) {
      require(parser.error().status >= 400 && !parser.error().reason.empty(), "an error says why");
      require(check_text(parser.error().reason).has_value(), "and says it in clean text");
      return;
    }
  }
}

}  // namespace
}  // namespace polyio::proto::test

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace polyio::proto::test;
  const Input input = split_off_cut(data, size);
  require_same_however_cut(input, [](const Chunks& chunks) { return http_log(chunks, limits); });
  check_requests(input.text);
  check_response(input.text);
  const std::string_view origin = input.text.substr(0, input.cut);
  const std::string_view host = input.text.substr(input.cut);
  if (polyio::proto::origin_allowed(origin, host)) {
    require(polyio::proto::host_allowed(host), "an allowed page has an allowed name");
  }
  return 0;
}
