#include "chat.hpp"

#include <stdexcept>

#include "sessions.hpp"

namespace polyio::chat {
namespace {

constexpr std::size_t clients_at_once = 32;  // that a message is given to

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

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

void Chat::distribute_soon(Home& home) {
  if (!home.room.undistributed()) return;
  if (home.io->thread_per_job()) return home.room.distribute();  // it has no turns
  if (!std::exchange(home.distributes, true)) post_distribution(home);
}

void Chat::post_distribution(Home& home) {
  home.io->post([&home] {
    home.distributes = home.room.distribute_to(clients_at_once);
    if (home.distributes) post_distribution(home);
  });
}

void Chat::on_home(Io& io, std::move_only_function<void(Room&)> work) {
  for (auto& home : homes_) {
    if (home->io != &io.home()) continue;
    if (home->io == &io) return work(home->room);
    Room* const room = &home->room;
    return home->io->post([room, task = std::move(work)]() mutable { task(*room); });
  }
}

bool Chat::take_nickname(std::string_view before, std::string_view after) {
  const std::string old_key = lower_case(before);
  const std::string new_key = lower_case(after);
  if (old_key == new_key) return true;
  const std::lock_guard lock(nicknames_mutex_);
  if (!new_key.empty() && !nicknames_.insert(new_key).second) return false;
  nicknames_.erase(old_key);
  return true;
}

Task<> Chat::serve(Io&, Stream stream) { return serve_connection(*this, std::move(stream)); }

}  // namespace polyio::chat
