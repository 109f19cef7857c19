// The seats of a person's clients in its rooms: given when it enters, taken when it leaves.
#include <algorithm>

#include "chat.hpp"

namespace polyio::chat {
namespace {

bool is_loaded(Log& log) {
  const std::lock_guard lock(log.mutex);
  return log.loaded;
}

}  // namespace

void Chat::load(Room& room, const Store& store) {
  const auto entries = store.history(room.record.id, 0, 1 + room.record.last, Shard::history_limit);
  const std::lock_guard lock(room.log.mutex);
  if (std::exchange(room.log.loaded, true) || !entries) return;
  std::deque<MessagePtr> recent;
  for (const Entry& entry : *entries) {
    recent.push_back(std::make_shared<const Message>(entry, room.where));
  }
  // What was said meanwhile is there already.
  for (const MessagePtr& message : room.log.recent) {
    if (recent.empty() || message->entry.sequence > recent.back()->entry.sequence) {
      recent.push_back(message);
    }
  }
  while (recent.size() > Shard::history_limit) recent.pop_front();
  room.log.recent = std::move(recent);
}

// `from`: the first entry that it gets; 0: the one that comes next then. `counted`: what the client
// asks for next waits until it has the seat.
void Chat::seat(const ClientPtr& client, const RoomPtr& room, Sequence from, bool counted) {
  auto take_seat = [this, client, room, from] {
    Home& home = *client->home;
    const auto there = [&](const auto& seat) { return seat->room == room->record.id; };
    if (std::ranges::any_of(client->seats, there)) return;
    {
      const std::lock_guard lock(directory_.mutex());  // it may have gone meanwhile
      if (!client->person || !room->present.contains(client->person->id)) return;
    }
    Shard& shard = home.open(room);
    auto seat = std::make_unique<Client::OtherSeat>();
    seat->room = room->record.id;
    seat->next = from;
    client->seats.push_back(std::move(seat));
    add(shard, client, room);
    if (shard.seated() == 0) home.distribute_soon(shard);  // which closes it, if that stays so
  };
  auto for_client = [client, counted, work = std::move(take_seat)] {
    try {
      work();
    } catch (const std::bad_alloc&) {
      client->outbox.fail();
    }
    if (!counted) return;
    ++client->given;
    client->home->run_later(client);
  };
  if (is_loaded(room->log)) {
    client->home->run(for_client);
  } else {
    writer_.run([room, client, work = std::move(for_client)](Store& store) {
      load(*room, store);
      client->home->run(work);
    });
  }
  if (counted) ++client->said;
}

// A page is shown the room first, as it is where its entries begin.
void Chat::add(Shard& shard, const ClientPtr& client, const RoomPtr& room) {
  shard.add(client, [this, client, room](Sequence next) {
    const std::lock_guard lock(directory_.mutex());
    if (client->person) show(*room, *client->person, client, next - 1);
    return client->person != nullptr;
  });
}

void Chat::unseat(const ClientPtr& client, const RoomPtr& room, const std::string& why) {
  client->home->run([client, room, why] {
    const RoomId id = room->record.id;
    Shard* const shard = client->home->shard(id);
    if (!shard) return;
    shard->remove(client, [client, id, why, name = room->record.name] {
      std::erase_if(client->seats, [id](const auto& seat) { return seat->room == id; });
      if (client->is_page()) {
        client->outbox.push_notice(parted_frame(id, why));
      } else if (!why.empty()) {
        client->outbox.push_notice("-- " + why + "\n");
      }
    });
    client->home->distribute_soon(*shard);
  });
}

void Chat::show(Room& room, const Person& person, const ClientPtr& client, Sequence last) {
  if (!client->is_page()) return;
  RoomView view = directory_.view(room, person);
  view.last = last;
  client->outbox.push_notice(room_frame(view));
}

void Chat::show(Room& room, const Person& person) {
  Sequence last = 0;
  {
    const std::lock_guard lock(room.log.mutex);
    last = room.log.end - 1;
  }
  for (const ClientPtr& client : clients_of(person)) show(room, person, client, last);
}

void Chat::notify(const Person& person, const std::string& line, const std::string& frame) {
  for (const ClientPtr& client : clients_of(person)) {
    client->outbox.push_notice(client->is_page() ? frame : line);
  }
}

void Chat::remember(const Membership& membership) {
  if (membership.account >= first_guest || membership.room >= Room::first_unkept) return;
  writer_.run([membership](Store& store) { (void)store.set_membership(membership); });
}

void Chat::inherit(const Person& guest, PersonId account) {
  for (const RoomPtr& room : guest.rooms) {
    const auto known = room->known.find(guest.id);
    if (!room->kept() || known == room->known.end()) continue;
    const Membership own = known->second;
    Membership& standing = directory_.standing(*room, account);
    standing.role = std::max(standing.role, own.role);
    standing.muted = standing.muted || own.muted;
    remember(standing);
  }
}

void Chat::entered(const RoomPtr& room, const std::vector<ClientPtr>& clients,
                   const ClientPtr& asker) {
  PersonId id = 0;
  Name name;
  Sequence from = 0;
  {
    const std::lock_guard lock(room->log.mutex);
    from = room->log.end;
  }
  {
    const std::lock_guard lock(directory_.mutex());
    const Person* const person = clients.front()->person;
    if (!person) return;
    id = person->id;
    name = person->name;
  }
  tell(*room, Home::News::came, id, name);
  for (const ClientPtr& client : clients) seat(client, room, from, client == asker);
}

// Under the directory's lock: whose seats left() is to take then.
std::vector<ClientPtr> Chat::take_out(const RoomPtr& room, Person& person) {
  std::vector<ClientPtr> clients = clients_of(person);
  if (const auto known = room->known.find(person.id); known != room->known.end()) {
    known->second.role = Role::none;
    remember(known->second);
  }
  directory_.leave(*room, person);
  std::erase(person.rooms, room);
  return clients;
}

void Chat::left(const RoomPtr& room, PersonId id, const std::vector<ClientPtr>& clients,
                const std::string& why) {
  tell(*room, Home::News::went, id, nullptr);
  for (const ClientPtr& client : clients) unseat(client, room, why);
}

}  // namespace polyio::chat
