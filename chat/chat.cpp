#include "chat.hpp"

#include <fmt/format.h>

#include <polyio/base/text.hpp>
#include <polyio/proto/text.hpp>
#include <stdexcept>

#include "sessions.hpp"

namespace polyio::chat {
namespace {

constexpr std::size_t log_limit = 1024;      // bytes of a message in the log
constexpr std::size_t clients_at_once = 32;  // that a message is given to

std::int64_t wall_clock_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

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
  if (home.io->driver().blocks()) return home.room.distribute();  // it has no turns
  if (!std::exchange(home.distributes, true)) post_distribution(home);
}

void Chat::post_distribution(Home& home) {
  home.io->post([&home] {
    home.distributes = home.room.distribute_to(clients_at_once);
    if (home.distributes) post_distribution(home);
  });
}

void Chat::on_home(Io& io, Work work) {
  for (auto& home : homes_) {
    if (home->io != &io.home()) continue;
    if (home->io == &io) return work(home->room);
    Room* const room = &home->room;
    return home->io->post([room, task = std::move(work)]() mutable { task(*room); });
  }
}

template <class Tell>
void Chat::on_every_home(Io& io, const Tell& tell) {
  for (auto& home : homes_) {
    auto work = [tell, at = home.get()] {
      tell(at->room);
      distribute_soon(*at);
    };
    if (home->io == &io) {
      work();
    } else {
      home->io->post(std::move(work));
    }
  }
}

ClientPtr Chat::make_client(const Stream& stream, Wire wire) {
  auto client = std::make_shared<Client>();
  client->id = next_id_.fetch_add(1);
  client->wire = wire;
  const auto peer = stream.peer_address();
  const std::string host = !peer ? "?" : peer->family() == AF_UNIX ? "unix" : peer->host();
  client->address = fmt::format("('{}', {})", host, peer ? peer->port() : 0);
  return client;
}

void Chat::listen(Io& io, const ClientPtr& client) {
  on_home(io, [client](Room& room) { room.add(client); });
}

void Chat::forget(Io& io, const ClientPtr& client) {
  on_home(io, [client](Room& room) {
    room.remove(client);
    client->outbox.close();
  });
}

void Chat::reply(Io& io, const ClientPtr& client, std::string bytes) {
  on_home(io, [client, text = std::move(bytes)](Room& room) mutable {
    room.reply(*client, std::move(text));
  });
}

void Chat::reply_last(Io& io, const ClientPtr& client, std::string bytes) {
  on_home(io, [client, text = std::move(bytes)](Room& room) mutable {
    room.distribute();
    client->outbox.close(std::move(text));
  });
}

void Chat::join(Io& io, const ClientPtr& client) {
  log(fmt::format("joined: {}", client->address));
  on_every_home(io, [id = client->id, name = name_of(client)](Room& room) { room.came(id, name); });
}

void Chat::leave(Io& io, const ClientPtr& client) {
  log(fmt::format("left: {}", client->address));
  if (client->nickname) {
    const std::lock_guard lock(nicknames_mutex_);
    nicknames_.erase(lower_case(*client->nickname));
  }
  forget(io, client);
  on_every_home(io, [id = client->id](Room& room) { room.went(id); });
}

void Chat::say(Io& io, const ClientPtr& client, std::string_view text) {
  const auto message = std::make_shared<const Message>(client->id, client->name(),
                                                       std::string(text), wall_clock_ms());
  if (options_.log) {
    log(fmt::format("[{}] {}", client->name(), escape_for_log(text, log_limit)));
  }
  on_every_home(io, [message](Room& room) { room.said(message); });
}

std::expected<void, std::string> Chat::rename(Io& io, const ClientPtr& client,
                                              std::string_view nickname) {
  if (!nickname.empty()) {
    if (auto valid = proto::check_nickname(nickname); !valid) return valid;
  }
  {
    const std::lock_guard lock(nicknames_mutex_);
    const std::string before = lower_case(client->name());
    const std::string after = lower_case(nickname);
    if (!nickname.empty() && after != before && !nicknames_.insert(after).second) {
      return std::unexpected(fmt::format("the nickname {} is taken: choose another", nickname));
    }
    if (after != before) nicknames_.erase(before);
  }
  client->nickname = nickname.empty() ? nullptr : std::make_shared<const std::string>(nickname);
  log(fmt::format("renamed: {} is {}", client->address, client->name()));
  on_every_home(io,
                [id = client->id, name = name_of(client)](Room& room) { room.renamed(id, name); });
  return {};
}

void Chat::ask_history(Io& io, const ClientPtr& client, std::size_t count) {
  client->outbox.expect_reply();
  on_home(io, [client, count](Room& room) { room.send_history(*client, count); });
}

void Chat::ask_who(Io& io, const ClientPtr& client) {
  client->outbox.expect_reply();
  on_home(io, [client](Room& room) { room.send_who(*client); });
}

Task<> Chat::serve(Io&, Stream stream) { return serve_connection(*this, std::move(stream)); }

}  // namespace polyio::chat
