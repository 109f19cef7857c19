// What a program's own requests carry beside a body: a query's parameters and cookies. The rule:
// values are decoded once and completely, or refused; nothing is guessed.
#pragma once

#include <polyio/proto/http.hpp>

#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace polyio::proto {

// The first parameter called `name` in the query of `target`, as forms write them: name=value,
// separated by '&', '+' for a space, %XX for a byte (WHATWG URL section 5.1); without '=' its value
// is empty. Nothing: there is none. 400: an escape before its end is malformed. The bytes may be
// any: see text.hpp. Thread-safe.
std::expected<std::optional<std::string>, HttpError> query_value(std::string_view target,
                                                                 std::string_view name);

// The value of the first cookie called `name`, case and all, as it was sent (RFC 6265 section 5.4);
// good while the Request is. Thread-safe.
std::optional<std::string_view> cookie(const Request& request, std::string_view name) noexcept;

}  // namespace polyio::proto
