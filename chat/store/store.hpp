// Store: what the chat keeps, in one SQLite database: the log of every room, accounts and rooms.
// The rule: one thread at a time writes (the chat's writer), any thread reads; what a call that
// succeeded has written survives the death of the process, and one that failed has written nothing.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace polyio::chat {

using RoomId = std::int64_t;     // from 1, below 2^23; the lobby is 1
using PersonId = std::int64_t;   // an account: below 2^32; a guest: above, and used once
using Sequence = std::uint64_t;  // a room's entries are numbered from 1, below 2^40

inline constexpr RoomId lobby_id = 1;
inline constexpr PersonId first_guest = PersonId{1} << 32;

// One entry of a room's log. An edit or removal is an entry too, so that a reader that has
// everything up to a number has missed nothing; besides, it changes the entry it names.
struct Entry {
  enum class Kind : std::uint8_t { message, action, edit, removal, topic };

  RoomId room = lobby_id;
  Sequence sequence = 0;  // given by append()
  std::int64_t time_ms = 0;  // since 1970-01-01 UTC
  PersonId author = 0;
  std::string name;  // the author's, as others saw it
  Kind kind = Kind::message;
  Sequence target = 0;  // edit, removal: which entry it changes
  std::string text;     // edit: the new one. A removed message has none
  std::string key;      // chosen by the sender, so that it can send again; empty, or <= 64 bytes
  bool edited = false, removed = false;
};

struct StoreError {
  enum class Kind : std::uint8_t {
    full,       // the disk, or the limit of the database
    locked,     // by another process, for longer than the patience
    read_only,  // the file, or its folder
    damaged,
    newer,     // the schema: made by a newer version
    conflict,  // a name that is taken
    refused,   // an edit of another's entry, or of one that is not there
    other
  };
  Kind kind = Kind::other;
  std::string text;  // for people: what is wrong, and what to do
};
template <class T>
using Stored = std::expected<T, StoreError>;

struct Account {
  PersonId id = 0;
  std::string name;  // as it is shown
  std::string password;  // its Argon2id hash as libsodium writes it; empty: no login
  bool admin = false, disabled = false;
};

enum class Role : std::uint8_t { none, invited, member, operator_, founder };

// What a room remembers of an account.
struct Membership {
  RoomId room = 0;
  PersonId account = 0;
  Role role = Role::none;
  bool muted = false, banned = false;
  Sequence read = 0;  // the last entry that it has seen
};

struct RoomRecord {
  RoomId id = 0;
  std::string name;  // with its '#'; a conversation of two accounts has none
  std::string topic;
  bool is_private = false, read_only = false;
  PersonId one = 0, other = 0;  // the two accounts of a conversation
  std::int64_t keep_days = 0;   // 0: for ever
  Sequence last = 0;            // of its log
};

// A login of a browser: the hash of its token, so that the database gives no one a login.
struct LoginRecord {
  std::string token_hash;
  PersonId account = 0;
  std::int64_t expires_ms = 0;
};

struct SearchQuery {
  std::string words;             // all of them must occur; "..." is a phrase, a* a prefix
  std::vector<RoomId> rooms;     // where to look
  std::int64_t before_ms = 0;    // older than this; 0: from the newest
  std::size_t count = 50;
};

class Store {
 public:
  struct Options {
    std::string path;  // of the file, made if it is not there; empty: in memory
    std::int64_t patience_ms = 2000;  // for another process's lock
  };

  // Opens it; an older schema is migrated. The lobby is there.
  static Stored<std::unique_ptr<Store>> open(const Options& options);
  ~Store();

  // --- the writer's: one thread at a time ---
  // Writes them in one transaction, and numbers them. One whose key is in the room's log already,
  // by the same author, gets that entry's number instead, and time and text; `repeated` says which.
  // An edit or removal of what the author may not change (another's, unless `by_operator`) fails
  // alone: its sequence stays 0.
  struct Draft {
    Entry entry;
    bool by_operator = false;
    bool repeated = false;  // set by append()
  };
  Stored<void> append(std::span<Draft* const> drafts);

  Stored<PersonId> add_account(const std::string& name, const std::string& name_key,
                               const std::string& password);
  Stored<void> change_account(const Account& account, const std::string& name_key);
  Stored<void> remove_account(PersonId id);
  Stored<RoomId> add_room(const RoomRecord& room, const std::string& name_key);
  Stored<void> change_room(const RoomRecord& room);
  Stored<void> remove_room(RoomId id);  // with its log
  Stored<void> set_membership(const Membership& membership);  // all empty: removes it
  Stored<void> ban_address(RoomId room, const std::string& address, bool banned);
  Stored<void> add_login(const LoginRecord& login);
  Stored<void> remove_login(const std::string& token_hash);
  Stored<void> remove_logins(PersonId account);
  // Removes what is past its room's keep_days and logins that have expired, at most `most` rows;
  // true: there is more.
  Stored<bool> tidy(std::int64_t now_ms, std::size_t most);

  // --- any thread's ---
  // Entries of a room in ascending order: `count` at most, those after `after`, or with `before`
  // not 0 the last ones below it.
  Stored<std::vector<Entry>> history(RoomId room, Sequence after, Sequence before,
                                     std::size_t count) const;
  // Newest first.
  Stored<std::vector<Entry>> search(const SearchQuery& query) const;
  Stored<std::optional<Account>> account(PersonId id) const;
  Stored<std::optional<LoginRecord>> login(const std::string& token_hash) const;
  // For the start: everything but the logs.
  struct NameKey {
    PersonId account = 0;
    std::string key;
  };
  Stored<std::vector<Account>> accounts() const;
  Stored<std::vector<RoomRecord>> rooms() const;
  Stored<std::vector<Membership>> memberships() const;
  struct AddressBan {
    RoomId room = 0;
    std::string address;
  };
  Stored<std::vector<AddressBan>> address_bans() const;
  // A consistent copy, while the writer goes on.
  Stored<void> backup(const std::string& path) const;
  // Whether it can be written to now; for /healthz.
  Stored<void> check() const;

 private:
  class Impl;
  explicit Store(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace polyio::chat
