// Directory: the chat's people, accounts and rooms, and what each may do. The rule: everything here
// is looked at and changed under its mutex, which is never held while something is written or sent;
// a message takes it once. What of a room belongs to its log has a lock of its own (Log).
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "client.hpp"
#include "frames.hpp"
#include "people.hpp"

namespace polyio::chat {

struct Room;
using RoomPtr = std::shared_ptr<Room>;

// An account that is connected, however often, or a guest.
struct Person {
  PersonId id = 0;
  Name name;                         // a guest's changes, by its own session only
  const std::string* key = nullptr;  // of its nickname
  bool account = false, admin = false;
  ClientPtr clients{};           // its connections, linked by next_of_person
  std::vector<RoomPtr> rooms{};  // besides the lobby
};

// The end of a room's log, in memory, and which homes it goes to. Changed by the chat's writer.
struct Log {
  std::mutex mutex;
  bool loaded = false;
  std::deque<MessagePtr> recent{};   // at most Shard::history_limit
  Sequence end = 1;                  // the number of the next entry
  std::vector<class Home*> homes{};  // that have a shard of it
};

struct Room {
  RoomRecord record;
  std::string where;                       // before its entries, for a line client
  std::map<PersonId, Membership> known{};  // of accounts; and of guests, until they leave
  std::set<std::string> banned_hosts{};
  std::pair<std::string, std::string> names{};  // of a conversation's two, guests among them
  std::map<PersonId, Person*> present{};
  Log log{};

  // Conversations with a guest, and all their entries, are in memory only.
  bool kept() const noexcept { return record.id < first_unkept; }
  bool direct() const noexcept { return record.one != 0; }
  static constexpr RoomId first_unkept = RoomId{1} << 22;
};

// The connections of a person that is here. Under the directory's mutex.
std::vector<ClientPtr> clients_of(const Person& person);

using Verdict = std::expected<void, std::string>;

class Directory {
 public:
  struct Limits {
    std::size_t rooms = 10'000;
    std::size_t rooms_of_a_person = 100;
    std::size_t people_of_a_room = 100'000;
  };

  Directory(Limits limits, PersonId first_guest_id);
  // Takes over what the store holds; before anything else.
  Stored<void> load(const Store& store);

  std::mutex& mutex() const noexcept { return mutex_; }

  // Everything below: under the mutex.

  // --- people ---
  // A connection comes, as a guest or with an account; `first`: the person was not here.
  struct Arrival {
    Person& person;
    bool first = false;
  };
  Arrival come(const ClientPtr& client, const Account* account);
  // It goes, without any allocation. `rooms`: those that the person is not in any more, besides the
  // lobby, if that was its last connection.
  struct Departure {
    PersonId id = 0;  // 0: others of its connections stay
    std::vector<RoomPtr> rooms{};
  };
  Departure go(const ClientPtr& client) noexcept;
  // Empty: no nickname.
  Verdict rename(const ClientPtr& client, std::string_view nickname);
  Person* find_person(std::string_view name) noexcept;  // that is here
  Person* person(PersonId id) noexcept;
  std::size_t people() const noexcept { return lobby_->present.size(); }

  // --- accounts ---
  const Account* account(PersonId id) const noexcept;
  const Account* account(std::string_view name) const;
  const std::unordered_map<PersonId, Account>& accounts() const noexcept { return accounts_; }
  // Keeps a name for an account that is being made, and lets it go again.
  Verdict reserve(std::string_view name);
  void release(std::string_view name);
  Account& keep_account(Account account);
  void drop_account(PersonId id);
  PersonId person_of(std::string_view name);  // account or present guest; 0: neither

  // --- rooms ---
  const RoomPtr& lobby() const noexcept { return lobby_; }
  RoomPtr room(RoomId id) const noexcept;
  RoomPtr room(std::string_view name) const;
  const std::map<RoomId, RoomPtr>& rooms() const noexcept { return rooms_; }
  // A name that is not taken; `founder` may be a guest, which is not remembered, or 0: none.
  std::expected<RoomPtr, std::string> make_room(std::string_view name, PersonId founder);
  // Of two people; `made`: it was not there.
  RoomPtr conversation(const Person& one, const std::string& other_name, PersonId other,
                       bool& made);
  void drop_room(RoomId id);

  Role role(const Room& room, const Person& person) const noexcept;
  // Whether it may do what operators do.
  bool commands(const Room& room, const Person& person) const noexcept;
  Verdict may_join(const Room& room, const Person& person, std::string_view host) const;
  Verdict may_say(const Room& room, const Person& person) const;
  Verdict may_converse(const Person& person, const Person* other) const;
  // What the room remembers of a person, which may be nothing yet.
  Membership& standing(Room& room, PersonId of);
  void enter(const RoomPtr& room, Person& person);
  void leave(Room& room, Person& person) noexcept;
  RoomView view(const Room& room, const Person& person) const;
  People::Census census(const Room& room, std::size_t most) const;
  std::vector<RoomListing> listing(const Person& person, std::size_t most) const;
  // What `person` calls the room.
  std::string title(const Room& room, PersonId person) const;
  // Those that the person may search.
  std::vector<RoomId> readable(PersonId person) const;

 private:
  const Limits limits_;
  mutable std::mutex mutex_;
  PersonId next_guest_;
  RoomId next_room_ = lobby_id + 1, next_unkept_ = Room::first_unkept;
  const RoomPtr lobby_ = std::make_shared<Room>();
  std::map<RoomId, RoomPtr> rooms_;
  std::unordered_map<std::string, RoomId> room_keys_;
  std::map<std::pair<PersonId, PersonId>, RoomId> conversations_;
  std::unordered_map<PersonId, Account> accounts_;
  std::unordered_map<std::string, PersonId> name_keys_;  // of accounts, and of guests here
  std::unordered_map<PersonId, Person> people_;
};

// The host in ('host', port).
std::string_view host_of(std::string_view address) noexcept;

}  // namespace polyio::chat
