#include "accounts.hpp"

#include <fmt/format.h>

#include <polyio/exec/offload.hpp>
#include <polyio/proto/text.hpp>

#include <chat/store/nickname_key.hpp>
#include <chat/store/password.hpp>

namespace polyio::chat {
namespace {

constexpr std::size_t shortest_password = 8;

std::int64_t now_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

std::unexpected<Refusal> refuse(int status, std::string text) {
  return std::unexpected(Refusal{status, std::move(text)});
}
std::unexpected<Refusal> busy() {
  return refuse(429, "too many logins at the moment: try again in a few seconds");
}

std::unexpected<Refusal> not_kept(const StoreError& error) {
  return error.kind == StoreError::Kind::conflict ? refuse(409, "that name is taken")
                                                  : refuse(503, error.text);
}

// What `work` gives on the writer's thread: no other writes meanwhile.
template <class Work>
auto on_writer(Chat& chat, Io& io, Work work)
    -> Task<Answer<typename std::invoke_result_t<Work&, Store&>::value_type>> {
  using Written = std::invoke_result_t<Work&, Store&>;
  const auto write = [&] { return std::optional<Written>(work(chat.store())); };
  Result<std::optional<Written>> written;
  if (chat.options().write_inline) {
    written = write();
  } else {
    auto done = co_await offload(io, chat.writer().pool(), write);
    written = std::move(done);
  }
  if (!written) co_return busy();
  if (!**written) co_return not_kept((*written)->error());
  if constexpr (std::is_void_v<typename Written::value_type>) {
    co_return Answer<void>();
  } else {
    co_return std::move(***written);
  }
}

bool too_often(Chat& chat, Io& io, const std::string& what) {
  constexpr double per_second = 0.1, at_once = 10;
  return chat.flood().take(what, io.now(), per_second, at_once) > Nanoseconds::zero();
}

Task<Answer<void>> keep_changed(Chat& chat, Io& io, Account account, bool log_out) {
  const auto change = [&](Store& store) -> Stored<void> {
    auto done = store.change_account(account, nickname_key(account.name));
    return done && log_out ? store.remove_logins(account.id) : done;
  };
  auto changed = co_await on_writer(chat, io, change);
  if (!changed) co_return changed;
  const std::lock_guard lock(chat.directory().mutex());
  (void)chat.directory().keep_account(std::move(account));
  co_return Answer<void>();
}

std::optional<Account> known(Chat& chat, std::string_view name) {
  const std::lock_guard lock(chat.directory().mutex());
  const Account* const account = chat.directory().account(name);
  return account ? std::optional(*account) : std::nullopt;
}

}  // namespace

Answer<void> check_password(const std::string& password) {
  if (password.size() < shortest_password) {
    return refuse(422, fmt::format("a password has at least {} characters", shortest_password));
  }
  if (password.size() > longest_password) {
    return refuse(422, fmt::format("a password has at most {} bytes", longest_password));
  }
  return {};
}

Task<Answer<Account>> log_in(Chat& chat, Io& io, std::string host, std::string name,
                             std::string password) {
  if (too_often(chat, io, "login " + host) ||
      too_often(chat, io, "login of " + nickname_key(name))) {
    co_return busy();
  }
  auto account = known(chat, name);
  // A name that is not known takes as long, so that the time tells nothing.
  static const std::string of_none = hash_password("of no account");
  const std::string hash = account ? account->password : of_none;
  std::string anew;
  const auto verify = [&] {
    const bool right = verify_password(hash, password);
    if (right && is_outdated(hash)) anew = hash_password(password);
    return right;
  };
  auto right = co_await offload(io, chat.passwords(), verify);
  if (!right) co_return busy();
  if (!*right || !account || account->disabled) {
    co_return refuse(401, "the name or the password is wrong");
  }
  if (!anew.empty()) {  // if it can't be kept, the next login does it
    account->password = std::move(anew);
    (void)co_await keep_changed(chat, io, *account, false);
  }
  co_return *account;
}

Task<Answer<Account>> register_account(Chat& chat, Io& io, std::string host, std::string name,
                                       std::string password) {
  if (!chat.options().may_register) {
    co_return refuse(403, "accounts are made by an administrator here");
  }
  if (auto valid = check_nickname(name); !valid) co_return refuse(422, valid.error());
  if (auto valid = check_password(password); !valid) co_return std::unexpected(valid.error());
  if (too_often(chat, io, "register " + host)) co_return busy();
  const auto hash = [&password] { return hash_password(password); };
  auto hashed = co_await offload(io, chat.passwords(), hash);
  if (!hashed) co_return busy();
  Account account{.name = std::move(name), .password = std::move(*hashed)};
  {
    // The name is held until the store has it too.
    const std::lock_guard lock(chat.directory().mutex());
    if (auto taken = chat.directory().reserve(account.name); !taken) {
      co_return refuse(409, taken.error());
    }
  }
  const auto add = [&account](Store& store) {
    return store.add_account(account.name, nickname_key(account.name), account.password);
  };
  auto added = co_await on_writer(chat, io, add);
  const std::lock_guard lock(chat.directory().mutex());
  chat.directory().release(account.name);
  if (!added) co_return std::unexpected(added.error());
  account.id = *added;
  co_return chat.directory().keep_account(std::move(account));
}

Task<Answer<void>> change_password(Chat& chat, Io& io, PersonId id, std::string old_password,
                                   std::string new_password) {
  if (auto valid = check_password(new_password); !valid) co_return valid;
  Account account;
  {
    const std::lock_guard lock(chat.directory().mutex());
    const Account* const known = chat.directory().account(id);
    if (!known) co_return refuse(401, "log in first");
    account = *known;
  }
  std::string hash;
  const auto check_and_hash = [&] {
    if (!verify_password(account.password, old_password)) return false;
    hash = hash_password(new_password);
    return true;
  };
  auto right = co_await offload(io, chat.passwords(), check_and_hash);
  if (!right) co_return busy();
  if (!*right) co_return refuse(401, "that is not the present password");
  account.password = std::move(hash);
  co_return co_await keep_changed(chat, io, std::move(account), true);
}

Task<Answer<std::string>> begin_login(Chat& chat, Io& io, PersonId account) {
  std::string token = new_token();
  const LoginRecord login{hash_token(token), account, now_ms() + login_days * 86'400'000};
  const auto add = [&login](Store& store) { return store.add_login(login); };
  auto added = co_await on_writer(chat, io, add);
  if (!added) co_return std::unexpected(added.error());
  co_return token;
}

Task<Answer<void>> end_login(Chat& chat, Io& io, std::string token, bool everywhere) {
  const auto account = co_await account_of(chat, io, token);
  const auto end = [&](Store& store) {
    return everywhere && account ? store.remove_logins(account->id)
                                 : store.remove_login(hash_token(token));
  };
  auto ended = co_await on_writer(chat, io, end);
  if (ended && everywhere && account) chat.end_connections(account->id);
  co_return ended;
}

Task<std::optional<Account>> account_of(Chat& chat, Io& io, std::string token) {
  if (token.empty() || token.size() > 100) co_return std::nullopt;
  const auto look = [&] { return chat.store().login(hash_token(token)).value_or(std::nullopt); };
  auto login = co_await offload(io, chat.readers(), look);
  if (!login || !*login || (*login)->expires_ms < now_ms()) co_return std::nullopt;
  const std::lock_guard lock(chat.directory().mutex());
  const Account* const account = chat.directory().account((*login)->account);
  if (!account || account->disabled) co_return std::nullopt;
  co_return *account;
}

}  // namespace polyio::chat
