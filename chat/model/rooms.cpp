// What a member does in and with rooms.
#include <fmt/format.h>

#include <chat/store/nickname_key.hpp>
#include "member.hpp"

namespace polyio::chat {
namespace {

std::int64_t wall_clock_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

}  // namespace

std::expected<RoomPtr, std::string> Member::room_here(RoomId id) const {
  RoomPtr room = chat_.directory_.room(id);
  if (!room || !room->present.contains(client_->person->id)) {
    return std::unexpected("you are not in that room");
  }
  return room;
}

Verdict Member::put(const RoomPtr& room, Entry entry, bool by_operator) {
  entry.room = room->record.id;
  entry.author = client_->person->id;
  entry.name = name();
  entry.time_ms = wall_clock_ms();
  client_->outbox.charge(Message::cost_of(entry.text));
  chat_.writer_.say({room, client_, {std::move(entry), by_operator}});
  ++client_->said;  // not what there was no memory for
  return {};
}

Verdict Member::say(RoomId id, std::string_view text, Entry::Kind kind, std::string key) {
  RoomPtr room;
  {
    const std::lock_guard lock(chat_.directory_.mutex());
    const auto here = room_here(id);
    if (!here) return std::unexpected(here.error());
    room = *here;
    if (auto may = chat_.directory_.may_say(*room, *client_->person); !may) return may;
  }
  return put(room, {.kind = kind, .text = std::string(text), .key = std::move(key)});
}

Verdict Member::change(RoomId id, Entry entry) {
  RoomPtr room;
  bool commands = false;
  {
    const std::lock_guard lock(chat_.directory_.mutex());
    const auto here = room_here(id);
    if (!here) return std::unexpected(here.error());
    room = *here;
    if (auto may = chat_.directory_.may_say(*room, *client_->person); !may) return may;
    if (!room->kept()) return std::unexpected("nothing can be changed here: it is not kept");
    commands = chat_.directory_.commands(*room, *client_->person);
    if (entry.kind == Entry::Kind::topic && !commands && !room->direct()) {
      return std::unexpected("only an operator of the room does that");
    }
    if (entry.kind == Entry::Kind::topic) {
      room->record.topic = entry.text;
      chat_.writer_.run([record = room->record](Store& store) { (void)store.change_room(record); });
    }
  }
  const bool as_operator = commands && entry.kind == Entry::Kind::removal;
  return put(room, std::move(entry), as_operator);
}

Verdict Member::edit(RoomId room, Sequence target, std::string_view text) {
  return change(room, {.kind = Entry::Kind::edit, .target = target, .text = std::string(text)});
}
Verdict Member::remove(RoomId room, Sequence target) {
  return change(room, {.kind = Entry::Kind::removal, .target = target});
}
Verdict Member::set_topic(RoomId room, std::string_view topic) {
  if (auto valid = check_topic(topic); !valid) return valid;
  return change(room, {.kind = Entry::Kind::topic, .text = std::string(topic)});
}

std::expected<RoomId, std::string> Member::join_room(std::string_view name) {
  Directory& directory = chat_.directory_;
  RoomPtr room;
  std::vector<ClientPtr> clients;
  bool made = false;
  {
    const std::lock_guard lock(directory.mutex());
    Person& person = *client_->person;
    room = directory.room(name);
    if (!room) {
      auto founded = directory.make_room(name, person.id);
      if (!founded) return std::unexpected(founded.error());
      room = *founded;
      made = true;
      chat_.writer_.run([record = room->record, key = nickname_key(name)](Store& store) {
        (void)store.add_room(record, key);
      });
    } else if (room->present.contains(person.id)) {
      return room->record.id;
    } else if (auto may = directory.may_join(*room, person, host_of(client_->address)); !may) {
      return std::unexpected(may.error());
    }
    Membership& membership = room->known[person.id];
    membership.room = room->record.id;
    membership.account = person.id;
    membership.role = std::max(membership.role, Role::member);
    directory.enter(room, person);
    chat_.remember(membership);
    clients = clients_of(person);
  }
  if (made) log(fmt::format("made: {} by {}", name, this->name()));
  chat_.entered(room, clients, client_);
  return room->record.id;
}

Verdict Member::part(RoomId id) {
  if (id == lobby_id) return std::unexpected("everybody is in the lobby: quit leaves the chat");
  RoomPtr room;
  std::vector<ClientPtr> clients;
  {
    const std::lock_guard lock(chat_.directory_.mutex());
    const auto here = room_here(id);
    if (!here) return std::unexpected(here.error());
    room = *here;
    clients = chat_.take_out(room, *client_->person);
  }
  chat_.left(room, client_->person->id, clients, {});
  return {};
}

std::expected<RoomId, std::string> Member::converse(std::string_view with) {
  Directory& directory = chat_.directory_;
  RoomPtr room;
  std::vector<ClientPtr> own, others;
  {
    const std::lock_guard lock(directory.mutex());
    Person& person = *client_->person;
    const PersonId id = directory.person_of(with);
    Person* const other = directory.person(id);
    const Account* const account = directory.account(id);
    if (!account && !other) return std::unexpected(fmt::format("{} is not here", with));
    if (id == person.id) return std::unexpected("that is your own name");
    if (auto may = directory.may_converse(person, other); !may) return std::unexpected(may.error());
    bool made = false;
    room = directory.conversation(person, account ? account->name : *other->name, id, made);
    if (made && room->kept()) {
      chat_.writer_.run([record = room->record, known = room->known](Store& store) {
        (void)store.add_room(record, {});
        for (const auto& [one, membership] : known) (void)store.set_membership(membership);
      });
    }
    if (!room->present.contains(person.id)) own = clients_of(person);
    directory.enter(room, person);
    if (other && !room->present.contains(id)) others = clients_of(*other);
    if (other) directory.enter(room, *other);
  }
  for (const auto* clients : {&own, &others}) {
    if (!clients->empty()) chat_.entered(room, *clients, client_);
  }
  return room->record.id;
}

Verdict Member::set_mode(RoomId id, std::optional<bool> is_private, std::optional<bool> read_only) {
  const std::lock_guard lock(chat_.directory_.mutex());
  const auto here = room_here(id);
  if (!here) return std::unexpected(here.error());
  Room& room = **here;
  if (room.direct() || !chat_.directory_.commands(room, *client_->person)) {
    return std::unexpected("only an operator of the room does that");
  }
  if (id == lobby_id && is_private) return std::unexpected("the lobby is open to everybody");
  room.record.is_private = is_private.value_or(room.record.is_private);
  room.record.read_only = read_only.value_or(room.record.read_only);
  chat_.writer_.run([record = room.record](Store& store) { (void)store.change_room(record); });
  for (const auto& [one, person] : room.present) chat_.show(room, *person);
  return {};
}

Verdict Member::read(RoomId id, Sequence sequence) {
  const std::lock_guard lock(chat_.directory_.mutex());
  const auto here = room_here(id);
  if (!here) return std::unexpected(here.error());
  Membership& standing = (*here)->known[client_->person->id];
  if (sequence <= standing.read) return {};
  standing.room = id;
  standing.account = client_->person->id;
  standing.read = sequence;
  if (client_->person->account && (*here)->kept()) {
    chat_.reads_.emplace(id, standing.account);
  }
  return {};
}

bool Member::is_in(RoomId id) const {
  const std::lock_guard lock(chat_.directory_.mutex());
  return room_here(id).has_value();
}

Sequence Member::end(RoomId id) const {
  const std::lock_guard lock(chat_.directory_.mutex());
  const auto here = room_here(id);
  if (!here) return 1;
  const std::lock_guard log((*here)->log.mutex);
  return (*here)->log.end;
}

std::string Member::topic(RoomId id) const {
  const std::lock_guard lock(chat_.directory_.mutex());
  const auto here = room_here(id);
  return here ? (*here)->record.topic : std::string();
}

std::string Member::where(RoomId id) const {
  const std::lock_guard lock(chat_.directory_.mutex());
  const auto here = room_here(id);
  return here ? (*here)->where : std::string();
}

RoomId Member::find_room(std::string_view name) const {
  const std::lock_guard lock(chat_.directory_.mutex());
  const RoomPtr room = chat_.directory_.room(name);
  return room && room->present.contains(client_->person->id) ? room->record.id : 0;
}

std::string Member::title(RoomId id) const {
  const std::lock_guard lock(chat_.directory_.mutex());
  const RoomPtr room = chat_.directory_.room(id);
  const Person* const person = client_->person;
  return room && person ? chat_.directory_.title(*room, person->id) : "a room";
}

std::vector<RoomListing> Member::rooms() const {
  const std::lock_guard lock(chat_.directory_.mutex());
  return chat_.directory_.listing(*client_->person, 500);
}

std::vector<RoomId> Member::readable() const {
  const std::lock_guard lock(chat_.directory_.mutex());
  return chat_.directory_.readable(client_->person->id);
}

}  // namespace polyio::chat
