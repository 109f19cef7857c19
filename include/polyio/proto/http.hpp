// HTTP/1.1 for a small server: a request parser fed with bytes and a response writer. The rule:
// llhttp parses, after a strict scan has refused whatever two parsers could read differently, so no
// request can be smuggled past; everything is bounded, and every refusal has a status to answer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace polyio::proto {

struct Header {
  std::string name;
  std::string value;  // without white space around it
};

struct Request {
  std::string method;  // in capitals, one of those llhttp knows
  std::string target;  // as sent: visible ASCII without '#'
  std::string path;    // the target's path without the query; percent escapes are left as they are
  int minor_version = 1;  // HTTP/1.minor_version: 0 or 1; a later one is read as 1
  std::vector<Header> headers;
  std::string body;         // without chunks, if it came in such
  bool keep_alive = false;  // RFC 9112 section 9.3

  // Names compare without regard to case. header(): the first one's value, good while the Request
  // is.
  std::optional<std::string_view> header(std::string_view name) const noexcept;
  std::size_t count(std::string_view name) const noexcept;
  // The values of all headers called `name`, with ", " between them (RFC 9110 section 5.3).
  std::string joined(std::string_view name) const;
  // True if `token` is a member of the comma-separated list in any header called `name`; both
  // compare without regard to case (RFC 9110 section 5.6.1).
  bool lists(std::string_view name, std::string_view token) const noexcept;
};

// Bounds in bytes; what is just as large is accepted.
struct HttpLimits {
  std::size_t max_request_line = 8192;  // without "\r\n"; more is answered 414
  // All header lines, each with its "\r\n"; 431. As much again for trailers, and for the extensions
  // of all chunks.
  std::size_t max_headers = 16384;
  std::size_t max_fields = 100;  // header lines; 431
  std::size_t max_body = 0;      // 413
};

// A status to answer and why, in static storage: plain ASCII, fit to be sent.
struct HttpError {
  int status = 0;
  std::string_view reason;
};

// Reads requests one after the other. Not thread-safe. Holds no heap memory between requests.
//
// Refused, beyond what llhttp 8.1 refuses: bare CR or LF, control characters and folded lines in
// the head, white space before a colon, more than one Content-Length, Content-Length with
// Transfer-Encoding, not exactly one Host in HTTP/1.1 or a malformed one (all 400; RFC 9112
// sections 2.2, 3.2, 5.1, 5.2, 6.3), methods llhttp does not know (501), versions other than 1.x,
// HTTP/2's preface among them (505), an Expect other than 100-continue (417). Chunked bodies are
// read; their extensions and trailers are dropped (section 7.1). A Transfer-Encoding with HTTP/1.0,
// or with chunked in another place than the last, is refused (400, section 6.3), any other coding
// too (501, section 6.1). The authority in a target's absolute form stands for Host
// (section 3.2.2). One empty line before a request is skipped (section 2.2).
class RequestParser {
 public:
  enum class Progress : unsigned char { need_more, complete, error };
  struct Step {
    Progress progress;
    std::size_t consumed;  // bytes taken from the front of what was fed
  };

  explicit RequestParser(HttpLimits limits = {}) noexcept;
  ~RequestParser();
  RequestParser(RequestParser&&) noexcept;
  RequestParser& operator=(RequestParser&&) noexcept;

  // need_more: all bytes were taken. complete: take_request() has the request (it must be called
  // before the next feed(), asserted); the bytes after `consumed` belong to what follows it. error:
  // error() says what to answer; the connection is to be closed after that, and every further call
  // says the same. Linear in the bytes, however they are cut.
  Step feed(std::span<const std::byte> bytes);
  Request take_request();
  const HttpError& error() const noexcept { return error_; }
  // True once for a request whose head asks for it, if nothing of its body has come: send
  // continue_response now, or refuse the request (RFC 9110 section 10.1.1).
  bool wants_continue() noexcept;
  // True if no byte of a request has been taken since the last one (or the start).
  bool idle() const noexcept { return state_ == nullptr && error_.status == 0; }

 private:
  struct State;
  Step refuse(HttpError error, std::size_t consumed);

  HttpLimits limits_;
  std::unique_ptr<State> state_;
  HttpError error_;
};

struct HeaderView {
  std::string_view name;
  std::string_view value;
};

// Whether the body follows the head; a HEAD request is answered without it.
enum class Body : bool { sent, left_out };

// A whole HTTP/1.1 response. Content-Length is written for every status that has one (RFC 9110
// section 8.6: not 1xx and 204, whose body must be empty, asserted). A header's name must be a
// token other than Content-Length and Transfer-Encoding (asserted: it comes from the program); its
// value may come from anywhere: control characters become spaces (RFC 9110 section 5.5), so it
// cannot start another header.
std::string response(int status, std::span<const HeaderView> headers, std::string_view body,
                     Body sent = Body::sent);
std::string response(int status, std::initializer_list<HeaderView> headers, std::string_view body,
                     Body sent = Body::sent);

inline constexpr std::string_view continue_response = "HTTP/1.1 100 Continue\r\n\r\n";

// `response`, a whole one with a status from 200, with a Date (RFC 9110 section 6.6.1) of `seconds`
// since 1970.
std::string with_date(std::string response, std::int64_t seconds);

// A text/plain response carrying `error.reason`, with "Connection: close", for a parser's error.
std::string error_response(const HttpError& error);

// The reason phrase of a status ("Not Found"), "Unknown" where there is none here. RFC 9110
// section 15.
std::string_view reason_phrase(int status) noexcept;

}  // namespace polyio::proto
