#include "api.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <polyio/exec/offload.hpp>
#include <polyio/proto/page.hpp>
#include <polyio/proto/query.hpp>
#include <polyio/proto/text.hpp>

namespace polyio::chat {
namespace {

constexpr std::string_view cookie_name = "polyio_session";
constexpr std::size_t most_found = 50;
constexpr std::size_t longest_query = 500;  // bytes

std::string refused(const proto::Request& request, int status, std::string_view why) {
  const std::array<proto::HeaderView, 1> later{{{"Retry-After", "5"}}};
  const std::span<const proto::HeaderView> headers(later);
  return proto::json_response(request, status, fmt::format(R"({{"error":{}}})", json_text(why)),
                              status == 429 ? headers : headers.first(0));
}
std::string refused(const proto::Request& request, const Refusal& refusal) {
  return refused(request, refusal.status, refusal.text);
}

std::string cookie_of(std::string_view token, bool secure) {
  return fmt::format("{}={}; Path=/; HttpOnly; SameSite=Strict; Max-Age={}{}", cookie_name, token,
                     token.empty() ? 0 : login_days * 86'400, secure ? "; Secure" : "");
}

std::string token_of(const proto::Request& request) {
  return std::string(proto::cookie(request, cookie_name).value_or(""));
}

Task<std::string> let_in(Chat& chat, Io& io, const proto::Request& request, const Account& account,
                         bool secure) {
  const auto token = co_await begin_login(chat, io, account.id);
  if (!token) co_return refused(request, token.error());
  const std::string cookie = cookie_of(*token, secure);
  const std::array<proto::HeaderView, 1> headers{{{"Set-Cookie", cookie}}};
  co_return proto::json_response(
      request, 200, fmt::format(R"({{"id":{},"name":{}}})", account.id, json_text(account.name)),
      headers);
}

// Logs in, or makes an account and then logs in.
Task<std::string> enter(Chat& chat, Io& io, const proto::Request& request, std::string host,
                        PageRequest asked, bool secure) {
  Answer<Account> account = std::unexpected(Refusal{});
  if (request.path == "/api/login") {
    auto known = co_await log_in(chat, io, std::move(host), std::move(asked.name),
                                 std::move(asked.password));
    account = std::move(known);
  } else {
    auto made = co_await register_account(chat, io, std::move(host), std::move(asked.name),
                                          std::move(asked.password));
    account = std::move(made);
  }
  if (!account) co_return refused(request, account.error());
  co_return co_await let_in(chat, io, request, *account, secure);
}

Task<std::string> log_out(Chat& chat, Io& io, const proto::Request& request, bool everywhere) {
  const auto ended = co_await end_login(chat, io, token_of(request), everywhere);
  if (!ended) co_return refused(request, ended.error());
  const std::string cookie = cookie_of("", false);
  const std::array<proto::HeaderView, 1> headers{{{"Set-Cookie", cookie}}};
  co_return proto::json_response(request, 200, "{}", headers);
}

Task<std::string> set_password(Chat& chat, Io& io, const proto::Request& request, PageRequest asked,
                               bool secure) {
  const auto account = co_await account_of(chat, io, request);
  if (!account) co_return refused(request, 401, "log in first");
  const auto changed = co_await change_password(
      chat, io, account->id, std::move(asked.old_password), std::move(asked.new_password));
  if (!changed) co_return refused(request, changed.error());
  co_return co_await let_in(chat, io, request, *account, secure);  // its other browsers are out
}

// What the query asks for; the rooms are the account's, or the lobby.
std::expected<SearchQuery, std::string> query_of(Chat& chat, const proto::Request& request,
                                                 const std::optional<Account>& account) {
  SearchQuery query{.count = most_found};
  const auto value = [&](std::string_view name) {
    return proto::query_value(request.target, name);
  };
  const auto words = value("q"), room = value("room"), before = value("before");
  if (!words || !room || !before) return std::unexpected("the query is malformed");
  query.words = words->value_or("");
  if (query.words.empty() || query.words.size() > longest_query ||
      !proto::check_text(query.words)) {
    return std::unexpected("say by q=... what to search for");
  }
  const auto number = [](const std::optional<std::string>& text, std::int64_t& into) {
    if (!text) return true;
    const char* const end = text->data() + text->size();
    return std::from_chars(text->data(), end, into).ptr == end && !text->empty();
  };
  RoomId only = 0;
  if (!number(*room, only) || !number(*before, query.before_ms)) {
    return std::unexpected("room and before are numbers");
  }
  const std::lock_guard lock(chat.directory().mutex());
  query.rooms = chat.directory().readable(account ? account->id : 0);
  if (only) std::erase_if(query.rooms, [only](RoomId one) { return one != only; });
  return query;
}

Task<std::string> search(Chat& chat, Io& io, const proto::Request& request) {
  const auto account = co_await account_of(chat, io, request);
  const auto query = query_of(chat, request, account);
  if (!query) co_return refused(request, 400, query.error());
  const auto look = [&] { return chat.store().search(*query); };
  const auto found = co_await offload(io, chat.readers(), look);
  if (!found) co_return refused(request, 429, "too many searches at the moment");
  if (!*found) co_return refused(request, 503, (*found).error().text);
  co_return proto::json_response(request, 200,
                                 fmt::format(R"({{"entries":[{}]}})", objects_of(**found, true)));
}

}  // namespace

bool is_api(std::string_view path) noexcept { return path.starts_with("/api/"); }

Task<std::optional<Account>> account_of(Chat& chat, Io& io, const proto::Request& request) {
  co_return co_await account_of(chat, io, token_of(request));
}

Task<std::string> answer_api(Chat& chat, Io& io, const proto::Request& request, std::string host,
                             bool from_here, bool secure) {
  if (request.path == "/api/search") {
    if (std::string no = proto::refuse_method(request); !no.empty()) co_return no;
    co_return co_await search(chat, io, request);
  }
  constexpr std::array<std::string_view, 4> posts{"/api/login", "/api/register", "/api/logout",
                                                  "/api/password"};
  if (std::ranges::find(posts, request.path) == posts.end()) {
    co_return refused(request, 404, "there is no such request");
  }
  if (std::string no = proto::refuse_method(request, "POST"); !no.empty()) co_return no;
  if (!from_here) co_return refused(request, 403, "this page may not speak for its reader here");
  if (std::string no = proto::refuse_content(request, "application/json"); !no.empty()) {
    co_return no;
  }
  auto asked = parse_fields(request.body);
  if (!asked) co_return refused(request, 400, "the body is a JSON object");
  if (request.path == "/api/logout") {
    co_return co_await log_out(chat, io, request, asked->everywhere);
  }
  if (request.path == "/api/password") {
    co_return co_await set_password(chat, io, request, std::move(*asked), secure);
  }
  co_return co_await enter(chat, io, request, std::move(host), std::move(*asked), secure);
}

}  // namespace polyio::chat
