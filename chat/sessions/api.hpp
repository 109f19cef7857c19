// The HTTP API of the page: logging in and out, accounts, searching (docs/chat-page.md). The rule:
// a request that changes something comes from this server's own page, as JSON.
#pragma once

#include <polyio/proto/http.hpp>

#include <chat/model/accounts.hpp>

namespace polyio::chat {

// True if `path` is one of the API's.
bool is_api(std::string_view path) noexcept;
// The whole answer. `from_here`: the request is by a page of this server, or by no browser.
// `host`: where it comes from.
Task<std::string> answer_api(Chat& chat, Io& io, const proto::Request& request, std::string host,
                             bool from_here, bool secure);
// The account whose cookie the request has.
Task<std::optional<Account>> account_of(Chat& chat, Io& io, const proto::Request& request);

}  // namespace polyio::chat
