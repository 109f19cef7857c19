// The way from an HTTP request to a WebSocket (RFC 6455 section 4.2), and the two checks that keep
// other people's web pages out. The rule: a browser always names the page it acts for, so a
// connection whose Origin is not this server's is refused, and so is a server name that is not
// configured (which is what DNS rebinding looks like). Programs other than browsers send no Origin
// and are let in.
#pragma once

#include <polyio/proto/http.hpp>

#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace polyio::proto {

// The value of Sec-WebSocket-Accept if `request` asks for a WebSocket correctly, else the status to
// answer: 405 (not GET), 426 (no "Upgrade: websocket", or a version other than 13) or 400. Looks at
// no Origin: see origin_allowed(). Thread-safe.
std::expected<std::string, HttpError> check_upgrade(const Request& request);

// Base64 of the SHA-1 of `key` and the RFC's GUID (section 4.2.2). `key` is taken as it is.
std::string accept_key(std::string_view key);

// The Sec-WebSocket-Extensions that agrees to the first offer of permessage-deflate (RFC 7692) in
// `request` which can be kept, both ways without context take-over; empty if there is none. Then
// messages may be sent by encode_text_deflated() and must be read by a WebSocketReader with
// Compression::deflate. Offers with unknown, repeated or malformed parameters, and of a
// server_max_window_bits below 12, are declined. Thread-safe.
std::string deflate_answer(const Request& request);

// The "101 Switching Protocols" that carries `accept`, and Sec-WebSocket-Extensions unless
// `extensions` is empty. No subprotocol is chosen.
std::string upgrade_response(std::string_view accept, std::string_view extensions = {});
// The answer to a refused upgrade, with the headers its status asks for (Allow with 405; Upgrade
// and Sec-WebSocket-Version: 13 with 426), closing the connection.
std::string refusal_response(const HttpError& error);

// True if the page at `origin` (the Origin header's value, nothing if there is none) may talk to
// the server it knows as `host` (the Host header's value). A missing Origin is allowed. Any other
// must be an http:// or https:// one, and `host` must pass host_allowed(). The page's name must be
// one of `allowed_names`, on any port: behind a proxy both differ from what the server sees. Or it
// must have the name and port of `host` (80 and 443 where none is written). Case of names is
// ignored. "null" and lists are refused. Thread-safe.
bool origin_allowed(std::optional<std::string_view> origin, std::string_view host,
                    std::span<const std::string> allowed_names = {}) noexcept;
// The same for a request: its one Origin and its one Host; two Origins, or no Host, are refused.
bool origin_allowed(const Request& request,
                    std::span<const std::string> allowed_names = {}) noexcept;

// True if the name in `host` ("name", "name:port", "[v6]:port") is an IP literal, "localhost" or
// one of `allowed_names` (without port, case ignored): only such names can't be made to point here
// by a stranger.
bool host_allowed(std::string_view host, std::span<const std::string> allowed_names = {}) noexcept;

}  // namespace polyio::proto
