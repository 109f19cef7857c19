// Passwords and login tokens as the store keeps them: neither can be read out of the database.
// The rule: hashing a password takes 64 MiB and tens of milliseconds, so not on a loop.
#pragma once

#include <string>
#include <string_view>

namespace polyio::chat {

inline constexpr std::size_t longest_password = 1024;  // bytes; the caller refuses a longer one

// Argon2id (RFC 9106) as libsodium writes it, with its parameters for logins and a salt of its own.
// Thread-safe, as all here; std::bad_alloc where there are no 64 MiB.
std::string hash_password(std::string_view password);

// False for an empty or unreadable hash, and a password longer than longest_password.
bool verify_password(const std::string& hash, std::string_view password);

// Made with other parameters than now: to be made again at a login, when the password is known.
bool is_outdated(const std::string& hash);

bool is_password_hash(const std::string& text);

// 256 random bits as base64url: 43 characters.
std::string new_token();

// What is stored of a token: its BLAKE2b hash, 64 hex digits. A token is random, so no salt.
std::string hash_token(std::string_view token);

}  // namespace polyio::chat
