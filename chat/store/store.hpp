// Store: what the chat keeps, in one SQLite database: the log of every room, accounts and rooms.
// The rule: one thread at a time writes (the chat's writer), any thread reads; what a call that
// succeeded has written survives the death of the process and of the machine, and one that failed
// has written nothing. No call throws but std::bad_alloc, after which the store is as before.
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
  Sequence sequence = 0;     // given by append()
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
  std::string name;      // as it is shown
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

inline constexpr std::int64_t longest_keep_days = 1'000'000;

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
  // All of them must occur, in any case and with any accents; "..." is a phrase, abc* a prefix (of
  // three characters or more). What is written without spaces, as Chinese is, is found by any part.
  std::string words;           // the first 512 bytes and 16 words count
  std::vector<RoomId> rooms;   // where to look: the first 512
  std::int64_t before_ms = 0;  // older than this; 0: from the newest
  std::size_t count = 50;      // at most 200
};

class Store {
 public:
  struct Options {
    std::string path;                      // of the file, made if it is not there; empty: in memory
    std::int64_t patience_ms = 2000;       // for another process's lock
    std::int64_t memory_entries = 10'000;  // in memory, tidy() keeps these of a room: the newest
  };

  // Opens it; an older schema is migrated. The lobby is there.
  static Stored<std::unique_ptr<Store>> open(const Options& options);
  ~Store();

  // --- the writer's: one thread at a time ---
  // Writes them in one transaction, and numbers them. One whose key is in the room's log already
  // gets that entry's number instead, and time and text; `repeated` says which.
  // These fail alone, and their sequence stays 0: an edit or removal of what the author may not
  // change (another's, unless `by_operator`; removed, or no message or action), a key that another
  // author used, a room that is not there. After an error all have sequence 0.
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
  // Its entries are numbered from `room.last` + 1. The id is given; ids are not used again.
  // With the number that it has, or without one the next.
  Stored<RoomId> add_room(const RoomRecord& room, const std::string& name_key);
  Stored<void> change_room(const RoomRecord& room);  // all but its name, accounts and `last`
  Stored<void> remove_room(RoomId id);               // its log goes piece by piece, by tidy()
  // In one transaction; one that is all empty is removed.
  Stored<void> set_memberships(std::span<const Membership> memberships);
  Stored<void> set_membership(const Membership& membership) {
    return set_memberships({&membership, 1});
  }
  Stored<void> ban_address(RoomId room, const std::string& address, bool banned);
  Stored<void> add_login(const LoginRecord& login);
  Stored<void> remove_login(const std::string& token_hash);
  Stored<void> remove_logins(PersonId account);
  // Removes what is past its room's keep_days and logins that have expired, at most `most` rows;
  // true: there is more.
  Stored<bool> tidy(std::int64_t now_ms, std::size_t most);
  // For an import: writes entries with the numbers, and the present text, that they have. Those
  // that are there already are left; a number with another text fails all, as conflict. How many
  // are new.
  Stored<std::size_t> restore(std::span<const Entry> entries);

  // --- any thread's ---
  // Entries of a room in ascending order: `count` at most (and 1,000), those after `after`, or with
  // `before` not 0 the last ones below it. An edit has its target's present text.
  Stored<std::vector<Entry>> history(RoomId room, Sequence after, Sequence before,
                                     std::size_t count) const;
  // Newest first; with the last one also those of its millisecond, so that `before_ms` = its time
  // goes on without a gap.
  Stored<std::vector<Entry>> search(const SearchQuery& query) const;
  Stored<std::optional<Account>> account(PersonId id) const;
  Stored<std::optional<LoginRecord>> login(const std::string& token_hash) const;
  // For the start: everything but the logs.
  Stored<std::vector<Account>> accounts() const;
  Stored<std::vector<RoomRecord>> rooms() const;
  Stored<RoomId> next_room() const;  // greater than that of any room there has been
  Stored<std::vector<Membership>> memberships() const;
  struct AddressBan {
    RoomId room = 0;
    std::string address;
  };
  Stored<std::vector<AddressBan>> address_bans() const;
  // A consistent copy, while the writer goes on. A file that is there is a conflict.
  Stored<void> backup(const std::string& path) const;
  // Whether it can be written to now; for /healthz. Writes at most once a second.
  Stored<void> check() const;

 private:
  class Impl;
  explicit Store(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace polyio::chat
