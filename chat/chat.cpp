#include "chat.hpp"

#include <stdexcept>

#include "nickname_key.hpp"
#include "sessions.hpp"

namespace polyio::chat {
namespace {

constexpr std::size_t clients_at_once = 32;  // that a message is given to
// Until a room that waits for a client looks again whether it still reads.
constexpr Nanoseconds retry_interval = Outbox::patience / 8;
constexpr Nanoseconds shortest_pause = std::chrono::milliseconds(1);

}  // namespace

Chat::Chat(ChatOptions options) : options_(std::move(options)) {}

void Chat::open(const std::vector<Io*>& homes) {
  for (Io* io : homes) homes_.push_back(std::make_unique<Home>(io));
}

const Room& Chat::room(const Io& home) const { return home_of(home).room; }

Chat::Home& Chat::home_of(const Io& io) const {
  for (const auto& home : homes_) {
    if (home->io == &io) return *home;
  }
  throw std::invalid_argument("this Io has no home in the chat");
}

void Chat::Home::Alarm::post(Timer& timer) {
  Alarm& self = static_cast<Alarm&>(timer);
  Io& io = *self.home.io;
  try {
    io.post([&self] { self.work(self.home); });
  } catch (const std::bad_alloc&) {
    io.arm(timer, io.now() + retry_interval);
  }
}

void Chat::distribute_soon(Home& home) {
  if (!home.room.undistributed()) return;
  if (home.io->thread_per_job()) return distribute(home);  // it has no turns
  if (!home.distributes) post_distribution(home);
}

void Chat::post_distribution(Home& home) {
  home.io->post([&home] { distribute(home); });
  home.distributes = true;
}

void Chat::distribute(Home& home) {
  const TimePoint now = home.io->now();
  bool waits = false;
  home.distributes = false;
  try {
    if (home.io->thread_per_job()) {
      home.room.distribute(now);
    } else if (home.room.distribute_to(clients_at_once, now)) {
      post_distribution(home);
    }
    waits = home.room.held();
  } catch (const std::bad_alloc&) {
    waits = true;
  }
  if (waits) {
    home.io->arm(home.retry, now + retry_interval);
  } else {
    home.io->disarm(home.retry);
  }
}

void Chat::tell_presence_soon(Home& home) {
  if (home.room.listening() == 0) home.io->disarm(home.news);
  if (!home.room.presence_changed() || home.news.index != Timer::unarmed) return;
  home.room.tell_presence();
  const Nanoseconds pause = home.room.presence_pause();
  if (pause > shortest_pause) home.io->arm(home.news, home.io->now() + pause);
}

void Chat::go_on(Io& io) {
  Home& home = home_of(io.home());
  if (home.io == &io) return distribute_soon(home);
  home.io->post([&home] { distribute_soon(home); });
}

void Chat::on_home(Io& io, const ClientPtr& client, std::move_only_function<void(Room&)> work) {
  tell_left(io);
  Home& home = home_of(io.home());
  if (home.io == &io) return work(home.room);
  home.io->post(for_client(client, [&home, task = std::move(work)]() mutable { task(home.room); }));
}

bool Chat::take_nickname(std::string_view before, std::string_view after) {
  const std::string old_key = nickname_key(before);
  const std::string new_key = nickname_key(after);
  if (old_key == new_key) return true;
  const std::lock_guard lock(nicknames_mutex_);
  if (!new_key.empty() && !nicknames_.insert(new_key).second) return false;
  nicknames_.erase(old_key);
  return true;
}

void Chat::release_nickname(Client& client) {
  if (!client.nickname) return;
  (void)take_nickname(*client.nickname, {});
  client.nickname = nullptr;
}

void Chat::leave(Io& io, const ClientPtr& client) noexcept {
  try {
    release_nickname(*client);
    on_every_home(io, client, [this, client](Room& room) {
      try {
        if (&room == client->home) room.remove(client);
        room.went(client->id);
      } catch (const std::bad_alloc&) {
        leave_later(client);
      }
    });
  } catch (const std::bad_alloc&) {
    leave_later(client);
  }
}

void Chat::leave_later(const ClientPtr& client) noexcept {
  client->outbox.close();  // its writer need not wait for the room
  const std::lock_guard lock(left_mutex_);
  if (std::exchange(client->leaves_later, true)) return;
  client->next_left = std::move(left_);
  left_ = client;
  any_left_.store(true, std::memory_order_relaxed);
}

void Chat::tell_left(Io& io) noexcept {
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
    leave(io, client);
  }
}

Task<> Chat::serve(Io&, Stream stream) { return serve_connection(*this, std::move(stream)); }

}  // namespace polyio::chat
