#include "member.hpp"

#include <fmt/format.h>

#include <polyio/base/text.hpp>

namespace polyio::chat {
namespace {

ClientPtr make_client(Wire wire, Home& home, std::string address) {
  auto client = std::make_shared<Client>(wire);
  client->home = &home;
  client->address = std::move(address);
  return client;
}

}  // namespace

std::string address_of(const Stream& stream) {
  const auto peer = stream.peer_address();
  const std::string host = !peer ? "?" : peer->family() == AF_UNIX ? "unix" : peer->host();
  return fmt::format("('{}', {})", host, peer ? peer->port() : 0);
}

Member::Member(Chat& chat, const Stream& stream, Wire wire, std::string address)
    : chat_(chat),
      io_(stream.io()),
      client_(make_client(wire, chat.home_of(io_.home()), std::move(address))) {}

Member::~Member() {
  if (!present_) return;
  client_->outbox.close();
  leave();
}

void Member::spend() {
  if (chat_.flood_.limits().per_second <= 0) return;
  if (!pace_) pace_ = std::make_unique<Pace>();
  const Person* const person = client_->person;
  const bool account = person && person->account;
  pause_ = pace_->take(chat_.flood_, account ? std::to_string(person->id) : std::string(), host(),
                       io_.now());
  chat_.counters_.slowed += pause_ > Nanoseconds::zero();
  if (!pace_->is_news()) return;
  const std::string text = fmt::format("that is too fast: from now on {} a second are taken",
                                       chat_.flood_.limits().per_second);
  reply(client_->is_page() ? notice_frame(text) : "-- " + text + "\n");
}

void Member::reply(std::string bytes) {
  client_->outbox.expect_reply();
  chat_.on_home(io_, client_, [client = client_, text = std::move(bytes)](Home& home) mutable {
    home.shard(lobby_id)->reply(client, std::move(text));
  });
}

void Member::join(const Account* account) {
  chat_.log(fmt::format("joined: {}", client_->address));
  present_ = true;
  Counters& counters = chat_.counters_;
  ++(client_->is_page() ? counters.pages : counters.lines);
  ++(client_->is_page() ? counters.pages_seen : counters.lines_seen);
  if (account || options().guests) return enter(account);
  if (client_->is_page()) greet({.name = client_->address});
}

void Member::greet(Greeting greeting) {
  greeting.limit = options().max_line;
  greeting.may_register = options().may_register;
  greeting.guests = options().guests;
  client_->outbox.push_notice(hello_frame(greeting));
}

void Member::enter(const Account* account) {
  if (client_->lobby.next == 0) expect(chat_.lobby_end());
  const std::vector<RoomPtr> rooms = chat_.come(client_, account);
  const Person& person = *client_->person;
  if (client_->is_page()) {
    greet({.id = person.id, .name = name(), .account = person.account, .admin = person.admin});
  }
  chat_.on_home(io_, client_, [&chat = chat_, client = client_](Home& home) {
    chat.add(*home.shard(lobby_id), client, chat.directory_.lobby());
  });
  for (const RoomPtr& room : rooms) chat_.seat(client_, room, 0, true);
}

void Member::leave(std::string last) noexcept {
  if (!std::exchange(present_, false)) return;
  --(client_->is_page() ? chat_.counters_.pages : chat_.counters_.lines);
  chat_.go(io_, client_, std::move(last));
  try {
    chat_.log(fmt::format("left: {}", client_->address));
    // NOLINTNEXTLINE(bugprone-empty-catch): the log does without it
  } catch (const std::bad_alloc&) {
  }
}

// The connection gets the seats of the account; a guest's rooms, and what it is there, are the
// account's from now on.
void Member::log_in(const Account& account) {
  chat_.log(fmt::format("logged in: {} is {}", client_->address, account.name));
  if (!inside()) return enter(&account);
  std::vector<RoomPtr> before;
  {
    const std::lock_guard lock(chat_.directory_.mutex());
    before = client_->person->rooms;
    if (!client_->person->account) chat_.inherit(*client_->person, account.id);
  }
  chat_.go_person(client_);
  const std::vector<RoomPtr> rooms = chat_.come(client_, &account);
  for (const RoomPtr& room : before) {
    if (std::ranges::find(rooms, room) == rooms.end()) chat_.unseat(client_, room, {});
  }
  for (const RoomPtr& room : rooms) chat_.seat(client_, room, 0, true);
}

Verdict Member::rename(std::string_view nickname) {
  std::vector<RoomPtr> rooms;
  Name now;
  PersonId id = 0;
  {
    const std::lock_guard lock(chat_.directory_.mutex());
    Person& person = *client_->person;
    if (auto renamed = chat_.directory_.rename(client_, nickname); !renamed) return renamed;
    rooms = person.rooms;
    now = person.name;
    id = person.id;
  }
  chat_.log(fmt::format("renamed: {} is {}", client_->address, *now));
  chat_.tell(*chat_.directory_.lobby(), Home::News::renamed, id, now);
  for (const RoomPtr& room : rooms) chat_.tell(*room, Home::News::renamed, id, now);
  return {};
}

void Member::has_space() {
  client_->home->run([home = client_->home] { home->go_on(); });
}

void Member::has_taken(const Outbox::Batch& batch) {
  chat_.on_home(io_, client_,
                [client = client_, history = batch.catching_up(),
                 people = batch.presence_lost()](Home& home) {
                  if (Shard* const shard = people ? home.shard(client->shown) : nullptr) {
                    shard->send_people(client);
                  }
                  if (!history) return;
                  if (client->lobby.behind()) return home.shard(lobby_id)->go_on(client);
                  for (const auto& seat : client->seats) {
                    if (seat->behind()) return home.shard(seat->room)->go_on(client);
                  }
                });
}

void Member::ask_history(RoomId room, std::size_t count) {
  client_->outbox.expect_history();
  chat_.on_home(io_, client_, [client = client_, room, count](Home& home) {
    Shard* const shard = home.shard(room);
    if (!shard) return client->outbox.set_catching_up(client->catching_up());
    shard->send_history(client, count);
  });
}

// Sends the list of people as it is now, in its place among the messages.
void Member::ask_who(RoomId id) {
  People::Census census;
  {
    const std::lock_guard lock(chat_.directory_.mutex());
    const RoomPtr room = chat_.directory_.room(id);
    if (room) census = chat_.directory_.census(*room, People::listed);
  }
  std::string text = fmt::format("-- {} here:\n", census.total);
  for (const auto& [person, name] : census.first) {
    text += "-- " + *name + (person == client_->person->id ? " (you)\n" : "\n");
  }
  if (census.total > census.first.size()) {
    text += fmt::format("-- and {} more\n", census.total - census.first.size());
  }
  reply(std::move(text));
}

void Member::show(RoomId id) {
  chat_.on_home(io_, client_, [client = client_, id](Home& home) {
    if (Shard* const before = home.shard(client->shown)) before->unwatch(client);
    client->shown = 0;
    Shard* const shard = home.shard(id);
    if (!shard) return;
    client->shown = id;
    home.watch(*shard, client);
  });
}

void Member::resume(RoomId id, Sequence from) {
  chat_.on_home(io_, client_, [client = client_, id, from](Home& home) {
    if (Shard* const shard = home.shard(id)) shard->resume(client, from);
  });
}

void Member::send_newest(RoomId id, std::size_t count) {
  client_->outbox.expect_reply();
  chat_.on_home(io_, client_, [client = client_, id, count](Home& home) {
    Shard* const shard = home.shard(id);
    if (!shard) return client->outbox.push_reply({});
    shard->send_newest(client, count);
  });
}

void Member::ask_store(std::move_only_function<std::string(const Store&)> answer) {
  client_->outbox.expect_reply();
  auto read = [&chat = chat_, client = client_, work = std::move(answer)]() mutable {
    try {
      client->outbox.push_reply(work(chat.store()));
    } catch (const std::bad_alloc&) {
      client->outbox.fail();
    }
  };
  if (!chat_.readers_.try_submit(std::move(read))) client_->outbox.fail();
}

}  // namespace polyio::chat
