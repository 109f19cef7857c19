#include "directory.hpp"

#include <fmt/format.h>

#include <polyio/proto/text.hpp>

#include <chat/store/nickname_key.hpp>

namespace polyio::chat {

namespace {
constexpr PersonId reserved = -1;
}

std::string_view host_of(std::string_view address) noexcept {
  const auto begin = address.find('\''), end = address.rfind('\'');
  return begin < end ? address.substr(begin + 1, end - begin - 1) : address;
}

std::vector<ClientPtr> clients_of(const Person& person) {
  std::vector<ClientPtr> all;
  for (ClientPtr one = person.clients; one; one = one->next_of_person) all.push_back(one);
  return all;
}

Directory::Directory(Limits limits, PersonId first_guest_id)
    : limits_(limits), next_guest_(first_guest_id) {
  lobby_->record.id = lobby_id;
  lobby_->record.name = "#lobby";
  room_keys_.emplace(nickname_key("#lobby"), lobby_id);
  rooms_.emplace(lobby_id, lobby_);
}

Stored<void> Directory::load(const Store& store) {
  const auto accounts = store.accounts();
  if (!accounts) return std::unexpected(accounts.error());
  for (const Account& account : *accounts) keep_account(account);
  const auto rooms = store.rooms();
  if (!rooms) return std::unexpected(rooms.error());
  for (const RoomRecord& record : *rooms) {
    auto& room = rooms_[record.id];
    if (!room) room = std::make_shared<Room>();
    room->record = record;
    room->log.end = record.last + 1;
    if (record.one) conversations_[{record.one, record.other}] = record.id;
    if (!record.name.empty()) room_keys_[nickname_key(record.name)] = record.id;
    if (record.one) {
      const Account *const one = account(record.one), *const other = account(record.other);
      room->names = {one ? one->name : "?", other ? other->name : "?"};
      room->where = fmt::format("@ {}, {} ", room->names.first, room->names.second);
    } else if (record.id != lobby_id) {
      room->where = record.name + " ";
    }
  }
  const auto next = store.next_room();
  if (!next) return std::unexpected(next.error());
  next_room_ = *next;
  const auto memberships = store.memberships();
  if (!memberships) return std::unexpected(memberships.error());
  for (const Membership& one : *memberships) {
    if (const RoomPtr in = room(one.room)) in->known[one.account] = one;
  }
  const auto bans = store.address_bans();
  if (!bans) return std::unexpected(bans.error());
  for (const auto& [id, address] : *bans) {
    if (const RoomPtr in = room(id)) in->banned_hosts.insert(address);
  }
  return {};
}

// --- people ---

Directory::Arrival Directory::come(const ClientPtr& client, const Account* account) {
  const PersonId id = account ? account->id : next_guest_++;
  const auto [place, first] = people_.try_emplace(id);
  Person& person = place->second;
  if (first) {
    try {
      person.id = id;
      person.account = account != nullptr;
      person.admin = account && account->admin;
      // A guest's address is not copied: the client stays as long as the person.
      person.name = account ? std::make_shared<const std::string>(account->name)
                            : Name(client, &client->address);
      enter(lobby_, person);
      if (account) {
        for (const auto& [number, room] : rooms_) {
          if (number != lobby_id && role(*room, person) >= Role::member) enter(room, person);
        }
      }
    } catch (const std::bad_alloc&) {
      for (const RoomPtr& room : person.rooms) leave(*room, person);
      leave(*lobby_, person);
      people_.erase(place);
      throw;
    }
  }
  client->next_of_person = std::exchange(person.clients, client);
  client->person = &person;
  return {person, first};
}

Directory::Departure Directory::go(const ClientPtr& client) noexcept {
  Person* const person = std::exchange(client->person, nullptr);
  if (!person) return {};
  ClientPtr* link = &person->clients;
  while (*link != client) link = &(*link)->next_of_person;
  *link = std::exchange(client->next_of_person, nullptr);
  if (person->clients) return {};
  Departure departure{person->id, std::move(person->rooms)};
  for (const RoomPtr& room : departure.rooms) leave(*room, *person);
  leave(*lobby_, *person);
  if (person->key) name_keys_.erase(name_keys_.find(*person->key));
  people_.erase(departure.id);
  return departure;
}

Verdict Directory::rename(const ClientPtr& client, std::string_view nickname) {
  Person& person = *client->person;
  if (person.account) return std::unexpected("an account keeps its name");
  std::string key;
  if (!nickname.empty()) {
    if (auto valid = check_nickname(nickname); !valid) return valid;
    key = nickname_key(nickname);
  }
  Name name = nickname.empty() ? Name(client, &client->address)
                               : std::make_shared<const std::string>(nickname);
  const std::string* kept = nullptr;
  if (!key.empty()) {
    const auto [place, taken] = name_keys_.try_emplace(std::move(key), person.id);
    if (!taken && place->second != person.id) {
      return std::unexpected(fmt::format("the nickname {} is taken: choose another", nickname));
    }
    kept = &place->first;
  }
  if (person.key && person.key != kept) name_keys_.erase(name_keys_.find(*person.key));
  person.key = kept;
  person.name = std::move(name);
  return {};
}

Person* Directory::find_person(std::string_view name) noexcept {
  for (auto& [id, person] : people_) {
    if (*person.name == name) return &person;
  }
  return nullptr;
}

// --- accounts ---

const Account* Directory::account(PersonId id) const noexcept {
  const auto place = accounts_.find(id);
  return place == accounts_.end() ? nullptr : &place->second;
}

const Account* Directory::account(std::string_view name) const {
  const auto place = name_keys_.find(nickname_key(name));
  return place == name_keys_.end() ? nullptr : account(place->second);
}

Verdict Directory::reserve(std::string_view name) {
  if (!name_keys_.try_emplace(nickname_key(name), reserved).second) {
    return std::unexpected(fmt::format("the name {} is taken: choose another", name));
  }
  return {};
}

void Directory::release(std::string_view name) { name_keys_.erase(nickname_key(name)); }

Account& Directory::keep_account(Account account) {
  name_keys_[nickname_key(account.name)] = account.id;
  return accounts_[account.id] = std::move(account);
}

void Directory::drop_account(PersonId id) {
  const auto place = accounts_.find(id);
  if (place == accounts_.end()) return;
  name_keys_.erase(nickname_key(place->second.name));
  accounts_.erase(place);
  for (const auto& [number, room] : rooms_) room->known.erase(id);
}

PersonId Directory::person_of(std::string_view name) {
  const auto place = name_keys_.find(nickname_key(name));
  if (place != name_keys_.end()) return place->second;
  // Only a guest without a nickname, which is called by its address, has no key.
  const Person* const guest = name.starts_with('(') ? find_person(name) : nullptr;
  return guest ? guest->id : 0;
}

Person* Directory::person(PersonId id) noexcept {
  const auto place = people_.find(id);
  return place == people_.end() ? nullptr : &place->second;
}

// --- rooms ---

RoomPtr Directory::room(RoomId id) const noexcept {
  const auto place = rooms_.find(id);
  return place == rooms_.end() ? nullptr : place->second;
}

RoomPtr Directory::room(std::string_view name) const {
  const auto place = room_keys_.find(nickname_key(name));
  return place == room_keys_.end() ? nullptr : room(place->second);
}

std::expected<RoomPtr, std::string> Directory::make_room(std::string_view name, PersonId founder) {
  if (!name.starts_with('#') || name.contains(' ')) {
    return std::unexpected("a room's name begins with # and has no spaces: /join #garden");
  }
  if (auto valid = check_nickname(name.substr(1)); !valid) return std::unexpected(valid.error());
  if (rooms_.size() >= limits_.rooms || next_room_ >= Room::first_unkept)
    return std::unexpected("there are too many rooms already");
  auto room = std::make_shared<Room>();
  room->record.id = next_room_;
  room->record.name = name;
  room->where = room->record.name + " ";
  room->log.loaded = true;
  if (founder) room->known[founder] = {next_room_, founder, Role::founder};
  rooms_.emplace(next_room_, room);
  room_keys_.emplace(nickname_key(name), next_room_++);
  return room;
}

RoomPtr Directory::conversation(const Person& one, const std::string& other_name, PersonId other,
                                bool& made) {
  const auto both = std::minmax(one.id, other);
  if (const auto known = conversations_.find(both); known != conversations_.end()) {
    return rooms_.at(known->second);
  }
  made = true;
  const bool kept = both.second < first_guest;
  RoomId& id = kept ? next_room_ : next_unkept_;
  auto room = std::make_shared<Room>();
  room->record.id = id;
  room->record.is_private = true;
  room->record.one = both.first;
  room->record.other = both.second;
  room->names =
      one.id < other ? std::pair(*one.name, other_name) : std::pair(other_name, *one.name);
  room->where = fmt::format("@ {}, {} ", room->names.first, room->names.second);
  room->log.loaded = true;
  for (const PersonId each : {both.first, both.second}) {
    room->known[each] = {id, each, Role::member};
  }
  conversations_.emplace(both, id);
  rooms_.emplace(id++, room);
  return room;
}

void Directory::drop_room(RoomId id) {
  const RoomPtr room = this->room(id);
  if (!room || id == lobby_id) return;
  if (!room->record.name.empty()) room_keys_.erase(nickname_key(room->record.name));
  conversations_.erase({room->record.one, room->record.other});
  rooms_.erase(id);
}

Role Directory::role(const Room& room, const Person& person) const noexcept {
  const auto known = room.known.find(person.id);
  return known == room.known.end() ? Role::none : known->second.role;
}

bool Directory::commands(const Room& room, const Person& person) const noexcept {
  return (person.admin && !room.direct()) || role(room, person) >= Role::operator_;
}

Verdict Directory::may_join(const Room& room, const Person& person, std::string_view host) const {
  const auto known = room.known.find(person.id);
  const bool banned = (known != room.known.end() && known->second.banned) ||
                      room.banned_hosts.contains(std::string(host));
  const std::string& name = room.record.name;
  if (person.admin && !room.direct()) return {};
  if (banned) return std::unexpected("you are banned from " + name);
  if (room.record.is_private && role(room, person) == Role::none) {
    return std::unexpected(name + " is private: ask one of its members for an invitation");
  }
  if (person.rooms.size() >= limits_.rooms_of_a_person) {
    return std::unexpected(
        fmt::format("you are in {} rooms: leave one first", person.rooms.size()));
  }
  if (room.present.size() >= limits_.people_of_a_room) return std::unexpected(name + " is full");
  return {};
}

Verdict Directory::may_say(const Room& room, const Person& person) const {
  if (!room.present.contains(person.id)) return std::unexpected("you are not in that room");
  if (commands(room, person)) return {};
  const auto known = room.known.find(person.id);
  if (known != room.known.end() && known->second.muted) {
    return std::unexpected("an operator has muted you in " + room.record.name);
  }
  if (room.record.read_only) return std::unexpected("only operators write in " + room.record.name);
  return {};
}

Verdict Directory::may_converse(const Person& person, const Person* other) const {
  const std::size_t most = limits_.rooms_of_a_person;
  if (person.rooms.size() >= most) {
    return std::unexpected(fmt::format("you are in {} rooms: leave one first", most));
  }
  if (other && other->rooms.size() >= most) {
    return std::unexpected(fmt::format("{} is in too many rooms", *other->name));
  }
  return {};
}

// Those of guests that have left are cleared away, which else would only add up.
Membership& Directory::standing(Room& room, PersonId of) {
  std::erase_if(room.known, [this](const auto& one) {
    return one.first >= first_guest && !people_.contains(one.first);
  });
  Membership& standing = room.known[of];
  standing.room = room.record.id;
  standing.account = of;
  return standing;
}

void Directory::enter(const RoomPtr& room, Person& person) {
  if (!room->present.emplace(person.id, &person).second || room == lobby_) return;
  try {
    person.rooms.push_back(room);
  } catch (const std::bad_alloc&) {
    room->present.erase(person.id);
    throw;
  }
}

void Directory::leave(Room& room, Person& person) noexcept {
  room.present.erase(person.id);
  if (!person.account) room.known.erase(person.id);
}

RoomView Directory::view(const Room& room, const Person& person) const {
  RoomView view;
  view.id = room.record.id;
  view.name = title(room, person.id);
  view.topic = room.record.topic;
  view.is_private = room.record.is_private;
  view.read_only = room.record.read_only;
  view.role = std::max(role(room, person), commands(room, person) ? Role::operator_ : Role::member);
  if (const auto known = room.known.find(person.id); known != room.known.end()) {
    view.muted = known->second.muted;
    view.read = known->second.read;
  }
  if (room.direct()) {
    view.direct = room.record.one == person.id ? room.record.other : room.record.one;
  }
  return view;
}

People::Census Directory::census(const Room& room, std::size_t most) const {
  People::Census census;
  census.total = room.present.size();
  for (const auto& [id, person] : room.present) {
    if (census.first.size() >= most) break;
    census.first.emplace_hint(census.first.end(), id, person->name);
    const Role role = this->role(room, *person);
    if (role >= Role::operator_) census.roles.emplace(id, role);
  }
  return census;
}

std::vector<RoomListing> Directory::listing(const Person& person, std::size_t most) const {
  std::vector<RoomListing> all;
  for (const auto& [id, room] : rooms_) {
    if (all.size() >= most) break;
    if (room->direct() || (room->record.is_private && role(*room, person) == Role::none)) continue;
    all.push_back({id, room->record.name, room->record.topic, room->present.size()});
  }
  return all;
}

std::string Directory::title(const Room& room, PersonId person) const {
  if (!room.direct()) return room.record.name;
  const bool first = room.record.one == person;
  if (const Account* const other = account(first ? room.record.other : room.record.one)) {
    return other->name;
  }
  return first ? room.names.second : room.names.first;
}

std::vector<RoomId> Directory::readable(PersonId person) const {
  std::vector<RoomId> all{lobby_id};
  for (const auto& [id, room] : rooms_) {
    const auto known = room->known.find(person);
    if (known != room->known.end() && known->second.role >= Role::member) all.push_back(id);
  }
  return all;
}

}  // namespace polyio::chat
