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

const Room& Chat::room(const Io& home) const {
  for (const auto& one : homes_) {
    if (one->io == &home) return one->room;
  }
  throw std::invalid_argument("this Io is no home of the chat");
}

void Chat::Home::Alarm::post(Timer& timer) {
  Alarm& self = static_cast<Alarm&>(timer);
  self.home.io->post([&self] { self.work(self.home); });
}

void Chat::distribute_soon(Home& home) {
  if (!home.room.undistributed()) return;
  if (home.io->thread_per_job()) return distribute(home);  // it has no turns
  if (!std::exchange(home.distributes, true)) post_distribution(home);
}

void Chat::post_distribution(Home& home) {
  home.io->post([&home] { distribute(home); });
}

void Chat::distribute(Home& home) {
  const TimePoint now = home.io->now();
  if (home.io->thread_per_job()) {
    home.room.distribute(now);
  } else {
    home.distributes = home.room.distribute_to(clients_at_once, now);
    if (home.distributes) post_distribution(home);
  }
  if (home.room.held()) {
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
  for (auto& home : homes_) {
    if (home->io != &io.home()) continue;
    if (home->io == &io) return distribute_soon(*home);
    return home->io->post([at = home.get()] { distribute_soon(*at); });
  }
}

void Chat::on_home(Io& io, const ClientPtr& client, std::move_only_function<void(Room&)> work) {
  for (auto& home : homes_) {
    if (home->io != &io.home()) continue;
    if (home->io == &io) return work(home->room);
    Room* const room = &home->room;
    return home->io->post([room, client, task = std::move(work)]() mutable {
      try {
        task(*room);
      } catch (...) {  // no memory: it can't be served, and is not left waiting
        client->outbox.close();
        throw;
      }
    });
  }
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

void Chat::leave_later(ClientPtr client) noexcept {
  const std::lock_guard lock(left_mutex_);
  client->next_left = std::move(left_);
  left_ = std::move(client);
  any_left_.store(true, std::memory_order_relaxed);
}

void Chat::tell_left() {
  if (!any_left_.load(std::memory_order_relaxed)) return;
  ClientPtr client;
  {
    const std::lock_guard lock(left_mutex_);
    client = std::exchange(left_, nullptr);
    any_left_.store(false, std::memory_order_relaxed);
  }
  while (client) {
    ClientPtr next = std::move(client->next_left);
    release_nickname(*client);
    for (auto& home : homes_) {
      home->io->post([client, at = home.get()] {
        at->room.remove_if_here(client);
        at->room.went(client->id);
        tell_presence_soon(*at);
      });
    }
    client = std::move(next);
  }
}

Task<> Chat::serve(Io&, Stream stream) { return serve_connection(*this, std::move(stream)); }

}  // namespace polyio::chat
