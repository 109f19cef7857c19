// Accounts: making one and logging in. The rule: passwords are hashed on a small pool off the
// loops, whose line is bounded, so that a crowd of logins is answered "later" and slows nothing
// down.
#pragma once

#include "chat.hpp"

namespace polyio::chat {

inline constexpr std::int64_t login_days = 90;  // for how long a browser stays logged in

// Why it was refused: a sentence, and HTTP's status for it.
struct Refusal {
  int status = 0;
  std::string text;
};
template <class T>
using Answer = std::expected<T, Refusal>;

Answer<void> check_password(const std::string& password);

// Arguments are checked here; they may come from anywhere. `host`: which address asks. A name and
// an address have a few tries at once, and then one in ten seconds.
Task<Answer<Account>> log_in(Chat& chat, Io& io, std::string host, std::string name,
                             std::string password);
Task<Answer<Account>> register_account(Chat& chat, Io& io, std::string host, std::string name,
                                       std::string password);
// It also ends the account's logins by cookie.
Task<Answer<void>> change_password(Chat& chat, Io& io, PersonId account, std::string old_password,
                                   std::string new_password);

// A browser's login: the token is for its cookie.
Task<Answer<std::string>> begin_login(Chat& chat, Io& io, PersonId account);
Task<Answer<void>> end_login(Chat& chat, Io& io, std::string token, bool everywhere);
// The account of a token; nothing: it has expired, or is none.
Task<std::optional<Account>> account_of(Chat& chat, Io& io, std::string token);

}  // namespace polyio::chat
