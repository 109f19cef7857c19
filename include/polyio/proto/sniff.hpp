// Sniffer: decides from a connection's first bytes whether the peer types lines, speaks HTTP or
// begins TLS, so that one port serves all. The rule: the decision depends on the bytes only, never
// on how the network cut them, and only what may still become a request line is kept waiting.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace polyio::proto {

enum class Protocol : std::uint8_t { undecided, line, http, tls };

// True if `line` has the shape of an HTTP/1 request line (RFC 9112 section 3): token SP target SP
// HTTP/digit.digit, the letters in any case; a '\n' and a '\r' before it are dropped. The target is
// any run of bytes without spaces and controls. A web page can make a browser send any method, and
// the Sniffer takes unknown methods for lines: so look at the first line of every line client with
// this, and hang up on true. Thread-safe.
bool is_http_request_line(std::string_view line) noexcept;

// Decides once. A first byte of 0x16 is a TLS handshake (RFC 8446 section 5.1): no text has it.
// Bytes that begin like a well-known method and a space (GET HEAD POST PUT DELETE CONNECT OPTIONS
// TRACE PATCH PRI, in any case) wait for the end of the first line, which makes HTTP if it is a
// request line; without an end in `max_first_line` bytes it is HTTP (to be answered 414) if the
// target begins with '/' or 'http'. Everything else is a line, at once. Not thread-safe.
class Sniffer {
 public:
  static constexpr std::size_t max_first_line = 8192;  // bytes, without "\r\n"

  // Looks at the next bytes. While undecided it keeps a copy of them (at most max_first_line + 1
  // bytes in all); bytes that bring the decision, and later ones, are not kept: the caller goes on
  // with take_held() and then with those.
  Protocol feed(std::span<const std::byte> bytes);

  // At end of file: a peer still undecided was typing a line.
  Protocol finish() noexcept;

  Protocol protocol() const noexcept { return protocol_; }
  // The bytes that were fed before the deciding ones; empties (and frees) the store.
  std::string take_held() noexcept;

 private:
  Protocol decide(std::string_view bytes) const;

  std::string held_;
  Protocol protocol_ = Protocol::undecided;
};

}  // namespace polyio::proto
