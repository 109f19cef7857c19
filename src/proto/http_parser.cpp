#include <polyio/base/assert.hpp>
#include <polyio/proto/http.hpp>

#include <utility>

#include "ascii.hpp"
#include "http_chunks.hpp"
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
    for (std::string_view rest = h.value; !rest.empty();) {
      if (equal_ignoring_case(take_part(rest, ','), token)) return true;
    }
  }
  return false;
}

std::string Request::joined(std::string_view name) const {
  std::string all;
  std::string_view between;
  for (const Header& h : headers) {
    if (equal_ignoring_case(h.name, name)) {
      all.append(std::exchange(between, ", ")).append(h.value);
    }
  }
  return all;
}

// There from a request's first byte until it is taken.
struct RequestParser::State {
  HeadScanner scanner;
  std::string head;  // as far as it has come
  Request request;
  std::size_t body_left = 0;
  std::optional<ChunkReader> chunks;
  bool wants_continue = false;
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
  if (state.scanner.done()) {
    state.wants_continue = false;
  } else {
    while (used < input.size() && !state.scanner.done()) {
      const HttpError error = state.scanner.scan(input[used++], limits_);
      if (error.status != 0) return refuse(error, used);
    }
    state.head.append(input.substr(0, used));
    if (!state.scanner.done()) return {Progress::need_more, used};
    auto head = parse_head(std::move(state.head), limits_);
    if (!head) return refuse(head.error(), used);
    state.request = std::move(head->request);
    state.body_left = head->content_length;
    if (head->chunked) state.chunks.emplace();
    state.wants_continue = used == input.size() && state.request.minor_version == 1 &&
                           state.request.count("Expect") > 0;
  }
  if (state.chunks) {
    std::string_view rest = input.substr(used);
    const HttpError error = state.chunks->read(rest, state.request.body, limits_);
    used = input.size() - rest.size();
    if (error.status != 0) return refuse(error, used);
    state.complete = state.chunks->done();
  } else {
    const std::string_view body = input.substr(used, state.body_left);
    state.request.body.append(body);
    state.body_left -= body.size();
    state.complete = state.body_left == 0;
    used += body.size();
  }
  return {state.complete ? Progress::complete : Progress::need_more, used};
}

bool RequestParser::wants_continue() noexcept {
  return state_ && !state_->complete && std::exchange(state_->wants_continue, false);
}

Request RequestParser::take_request() {
  POLYIO_ASSERT(state_ && state_->complete);
  Request request = std::move(state_->request);
  state_.reset();
  return request;
}

}  // namespace polyio::proto
