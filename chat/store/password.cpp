#include <chat/store/password.hpp>

#include <sodium.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <new>

namespace polyio::chat {

namespace {

constexpr auto operations = crypto_pwhash_argon2id_OPSLIMIT_INTERACTIVE;
constexpr auto memory = crypto_pwhash_argon2id_MEMLIMIT_INTERACTIVE;

void start() {
  static const int started = sodium_init();
  if (started < 0) std::abort();  // no randomness: nothing here could be trusted
}

// 0: as made now, 1: with other parameters, -1: no hash at all.
int compared(const std::string& hash) {
  return crypto_pwhash_argon2id_str_needs_rehash(hash.c_str(), operations, memory);
}

}  // namespace

std::string hash_password(std::string_view password) {
  start();
  std::array<char, crypto_pwhash_argon2id_STRBYTES> hash;
  if (crypto_pwhash_argon2id_str(hash.data(), password.data(), password.size(), operations,
                                 memory) != 0)
    throw std::bad_alloc();
  return hash.data();
}

bool verify_password(const std::string& hash, std::string_view password) {
  start();
  if (hash.size() >= crypto_pwhash_argon2id_STRBYTES || password.size() > longest_password)
    return false;
  errno = 0;
  if (crypto_pwhash_argon2id_str_verify(hash.c_str(), password.data(), password.size()) == 0)
    return true;
  if (errno == ENOMEM) throw std::bad_alloc();
  return false;
}

bool is_outdated(const std::string& hash) { return compared(hash) == 1; }

bool is_password_hash(const std::string& text) {
  return text.size() < crypto_pwhash_argon2id_STRBYTES && compared(text) >= 0;
}

std::string new_token() {
  start();
  std::array<unsigned char, 32> random;
  randombytes_buf(random.data(), random.size());
  constexpr int variant = sodium_base64_VARIANT_URLSAFE_NO_PADDING;
  std::array<char, sodium_base64_ENCODED_LEN(random.size(), variant)> text;
  return sodium_bin2base64(text.data(), text.size(), random.data(), random.size(), variant);
}

std::string hash_token(std::string_view token) {
  start();
  std::array<unsigned char, crypto_generichash_BYTES> hash;
  crypto_generichash(hash.data(), hash.size(), reinterpret_cast<const unsigned char*>(token.data()),
                     token.size(), nullptr, 0);
  std::array<char, 2 * hash.size() + 1> hex;
  return sodium_bin2hex(hex.data(), hex.size(), hash.data(), hash.size());
}

}  // namespace polyio::chat
