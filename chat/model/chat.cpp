#include "chat.hpp"

#include <fmt/format.h>

#include <polyio/base/text.hpp>
#include <polyio/exec/offload.hpp>
#include <polyio/proto/websocket.hpp>
#include <stdexcept>

namespace polyio::chat {
namespace {

constexpr std::size_t log_limit = 1024;  // bytes of a message in the log

std::unique_ptr<Store> open_store(const Store::Options& options) {
  auto store = Store::open(options);
  if (!store) throw std::runtime_error(store.error().text);
  return std::move(*store);
}

// Of guests, whose numbers begin anew with each start: no two starts are in one second, and fewer
// than four million guests come in one.
PersonId guests_begin(const ChatOptions& options) {
  if (options.first_guest) return options.first_guest;
  using namespace std::chrono;
  const auto now = duration_cast<seconds>(system_clock::now().time_since_epoch()).count();
  return static_cast<PersonId>(now) << 22;
}

}  // namespace

Chat::Chat(ChatOptions options)
    : options_(std::move(options)),
      store_(open_store(options_.store)),
      directory_(options_.limits, guests_begin(options_)),
      flood_(options_.flood),
      readers_({.threads = 2, .queue = 4096, .name = "chat-reader"}),
      passwords_({.threads = 2, .queue = 64, .name = "chat-password"}),
      writer_(*store_,
              {.kept =
                   [this](const Room& room, const Message& message) {
                     ++counters_.entries;
                     if (!options_.log || message.line.empty() || is_private(room)) return;
                     const Entry& entry = message.entry;
                     const bool action = entry.kind == Entry::Kind::action;
                     log(fmt::format("{}{}{}{} {}", message.where, action ? "* " : "[", entry.name,
                                     action ? "" : "]", escape_for_log(entry.text, log_limit)));
                   },
               .trouble =
                   [this](const std::string& why) {
                     if (why.empty()) return log("messages are kept again");
                     log({"messages can't be kept: " + why, LogLevel::error});
                   },
               .refused =
                   [this](const Draft& draft, const std::string& reason) {
                     ++counters_.not_kept;
                     const Entry& entry = draft.what.entry;
                     draft.sender->outbox.push_notice(
                         draft.sender->is_page()
                             ? error_frame(reason, "say", entry.key)
                             : fmt::format("-- error: {}: nobody got this line\n", reason));
                   }},
              options_.write_inline) {
  const auto loaded = directory_.load(*store_);
  if (!loaded) throw std::runtime_error(loaded.error().text);
  load(*directory_.lobby(), *store_);
}

void Chat::open(const std::vector<Io*>& homes) {
  for (Io* io : homes) {
    homes_.push_back(std::make_unique<Home>(directory_, *io));
    homes_.back()->open(directory_.lobby());
  }
}

BackgroundTask Chat::background() {
  return [this](Background& background) -> Task<> {
    for (bool goes_on = true; goes_on;) {
      const bool later = co_await background.pause(std::chrono::seconds(5));
      goes_on = later;
      if (background.index() == 0 || !goes_on) keep_house();
    }
    const auto nothing = [] {};
    (void)co_await offload(background.io(), writer_.pool(), nothing);
    // What its clients said last is given out, and what waits for that is done: a client that
    // waited for ever would keep itself.
    const Home& home = home_of(background.io());
    for (bool turns = true; turns && home.is_busy();) {
      const auto turn = co_await background.io().yield();
      turns = turn.has_value();
    }
  };
}

bool Chat::is_private(const Room& room) const {
  const std::lock_guard lock(directory_.mutex());
  return room.record.is_private;
}

// Some rows at a time, between the messages.
void Chat::tidy(std::int64_t now_ms) {
  constexpr std::size_t most_rows = 500;
  writer_.run([this, now_ms](Store& store) {
    const auto more = store.tidy(now_ms, most_rows);
    if (more && *more) tidy(now_ms);
  });
}

void Chat::keep_house() noexcept try {
  std::vector<Membership> read;
  {
    const std::lock_guard lock(directory_.mutex());
    for (const auto& [id, account] : reads_) {
      const RoomPtr room = directory_.room(id);
      if (room && room->known.contains(account)) read.push_back(room->known.at(account));
    }
    reads_.clear();
  }
  if (!read.empty()) {
    writer_.run([all = std::move(read)](Store& store) { (void)store.set_memberships(all); });
  }
  using namespace std::chrono;
  tidy(duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count());
  // NOLINTNEXTLINE(bugprone-empty-catch): the next time
} catch (const std::bad_alloc&) {
}

const Shard& Chat::lobby(const Io& home) const { return *home_of(home).shard(lobby_id); }

void Chat::end_connections(PersonId account) {
  const std::lock_guard lock(directory_.mutex());
  const Person* const person = directory_.person(account);
  if (!person) return;
  for (ClientPtr client = person->clients; client; client = client->next_of_person) {
    if (client->is_page()) {
      client->outbox.close(proto::encode_close(proto::close_code::going_away));
    } else {
      client->outbox.fail();
    }
  }
}

std::string Chat::metrics() const {
  const std::lock_guard lock(directory_.mutex());
  return counters_.text(directory_.people(), directory_.rooms().size());
}

std::size_t Chat::people() const {
  const std::lock_guard lock(directory_.mutex());
  return directory_.people();
}

Sequence Chat::lobby_end() const {
  Log& log = directory_.lobby()->log;
  const std::lock_guard lock(log.mutex);
  return log.end;
}

Home& Chat::home_of(const Io& io) const {
  for (const auto& home : homes_) {
    if (&home->io() == &io) return *home;
  }
  throw std::invalid_argument("this Io has no home in the chat");
}

void Chat::on_home(Io& io, const ClientPtr& client, std::move_only_function<void(Home&)> work) {
  go_left(io);
  Home& home = *client->home;
  auto in_turn = [&home, client, said = client->said, task = std::move(work)]() mutable {
    if (client->later.empty() && client->given >= said) return task(home);
    auto later = [&home, last = std::move(task)]() mutable { last(home); };
    client->later.push_back({said, std::move(later)});
  };
  if (&home.io() == &io) return in_turn();
  home.io().post([client, task = std::move(in_turn)]() mutable {
    try {
      task();
    } catch (...) {
      client->outbox.fail();
      throw;
    }
  });
}

// --- coming and going ---

std::vector<RoomPtr> Chat::come(const ClientPtr& client, const Account* account) {
  std::vector<RoomPtr> rooms;
  PersonId id = 0;
  Name name;
  {
    const std::lock_guard lock(directory_.mutex());
    const auto arrival = directory_.come(client, account);
    rooms = arrival.person.rooms;
    if (!arrival.first) return rooms;
    id = arrival.person.id;
    name = arrival.person.name;
  }
  tell(*directory_.lobby(), Home::News::came, id, name);
  for (const RoomPtr& room : rooms) tell(*room, Home::News::came, id, name);
  return rooms;
}

void Chat::go_person(const ClientPtr& client) noexcept {
  Directory::Departure gone;
  {
    const std::lock_guard lock(directory_.mutex());
    gone = directory_.go(client);
  }
  if (!gone.id) return;
  tell(*directory_.lobby(), Home::News::went, gone.id, nullptr);
  for (const RoomPtr& room : gone.rooms) tell(*room, Home::News::went, gone.id, nullptr);
}

void Chat::go(Io& io, const ClientPtr& client, std::string last) noexcept {
  try {
    on_home(io, client, [this, client, end = std::move(last)](Home& home) mutable {
      try {
        for (const auto& seat : client->seats) {
          Shard* const shard = home.shard(seat->room);
          if (!shard) continue;
          shard->remove(client);
          home.distribute_soon(*shard);
        }
        home.shard(lobby_id)->remove(client, [this, client, text = std::move(end)]() mutable {
          go_person(client);
          client->outbox.close(std::move(text));
        });
      } catch (const std::bad_alloc&) {
        go_later(client);
      }
    });
  } catch (const std::bad_alloc&) {
    go_later(client);
  }
  // NOLINTNEXTLINE(clang-analyzer-cplusplus.NewDeleteLeaks): the function object frees `end`
}

void Chat::go_later(const ClientPtr& client) noexcept {
  client->outbox.close();  // its writer need not wait for the room
  const std::lock_guard lock(left_mutex_);
  if (std::exchange(client->leaves_later, true)) return;
  client->next_left = std::move(left_);
  left_ = client;
  any_left_.store(true, std::memory_order_relaxed);
}

void Chat::go_left(Io& io) noexcept {
  if (!any_left_.load(std::memory_order_relaxed)) return;
  ClientPtr all;
  {
    const std::lock_guard lock(left_mutex_);
    all = std::exchange(left_, nullptr);
    any_left_.store(false, std::memory_order_relaxed);
  }
  while (const ClientPtr client = std::move(all)) {
    {
      const std::lock_guard lock(left_mutex_);
      all = std::move(client->next_left);
      client->leaves_later = false;
    }
    go(io, client, {});
  }
}

// Where there is no memory to tell a home of it, its pages get the lists anew.
void Chat::tell(Room& room, Home::News news, PersonId id, const Name& name) noexcept {
  for (const auto& home : homes_) {
    {
      const std::lock_guard lock(room.log.mutex);
      const auto& all = room.log.homes;
      if (std::ranges::find(all, home.get()) == all.end()) continue;
    }
    if (&home->io() == Io::of_this_thread()) {
      home->presence(room.record.id, news, id, name);
      continue;
    }
    try {
      home->io().post([to = home.get(), number = room.record.id, news, id, name] {
        to->presence(number, news, id, name);
      });
    } catch (const std::bad_alloc&) {
      home->news_lost();
    }
  }
}

}  // namespace polyio::chat
