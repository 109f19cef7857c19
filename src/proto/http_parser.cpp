#include <polyio/base/assert.hpp>
#include <polyio/proto/http.hpp>

#include <utility>

#include "ascii.hpp"
#include "http_head.hpp"

namespace polyio::proto {

std::optional<std::string_view> Request::header(std::string_view name) const noexcept {
  for (const Header& h : headers) {
    if (equal_ignoring_case(h.name, name)) return h.value;
  }
  return std::nullopt;
}

std::size_t Request::count(std::string_view name) const noexcept {
  return static_cast<std::size_t>(std::ranges::count_if(
      headers, [&](const Header& h) { return equal_ignoring_case(h.name, name); }));
}

bool Request::lists(std::string_view name, std::string_view token) const noexcept {
  for (const Header& h : headers) {
    if (!equal_ignoring_case(h.name, name)) continue;
    std::string_view rest = h.value;
    for (bool more = true; more;) {
      const std::size_t comma = rest.find(',');
      more = comma != rest.npos;
      if (equal_ignoring_case(trimmed(rest.substr(0, comma)), token)) return true;
      if (more) rest.remove_prefix(comma + 1);
    }
  }
  return false;
}

// There from a request's first byte until it is taken.
struct RequestParser::State {
  HeadScanner scanner;
  std::string head;  // as far as it has come
  Request request;
  std::size_t body_left = 0;
  bool complete = false;
};

RequestParser::RequestParser(HttpLimits limits) noexcept : limits_(limits) {}
RequestParser::~RequestParser() = default;
RequestParser::RequestParser(RequestParser&&) noexcept = default;
RequestParser& RequestParser::operator=(RequestParser&&) noexcept = default;

RequestParser::Step RequestParser::refuse(HttpError error, std::size_t consumed) {
  error_ = error;
  state_.reset();
  return {Progress::error, consumed};
}

RequestParser::Step RequestParser::feed(std::span<const std::byte> bytes) {
  if (error_.status != 0) return {Progress::error, 0};
  if (bytes.empty()) return {Progress::need_more, 0};
  if (!state_) state_ = std::make_unique<State>();
  State& state = *state_;
  POLYIO_ASSERT(!state.complete);
  const std::string_view input(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  std::size_t used = 0;
  if (!state.scanner.done()) {
    while (used < input.size() && !state.scanner.done()) {
      const HttpError error = state.scanner.scan(input[used++], limits_);
      if (error.status != 0) return refuse(error, used);
    }
    state.head.append(input.substr(0, used));
    if (!state.scanner.done()) return {Progress::need_more, used};
    auto head = parse_head(state.head, limits_);
    if (!head) return refuse(head.error(), used);
    state.request = std::move(head->request);
    state.body_left = head->content_length;
  }
  const std::string_view body = input.substr(used, state.body_left);
  state.request.body.append(body);
  state.body_left -= body.size();
  state.complete = state.body_left == 0;
  return {state.complete ? Progress::complete : Progress::need_more, used + body.size()};
}

Request RequestParser::take_request() {
  POLYIO_ASSERT(state_ && state_->complete);
  Request request = std::move(state_->request);
  state_.reset();
  return request;
}

}  // namespace polyio::proto
