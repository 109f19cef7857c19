#include "member.hpp"

#include <fmt/format.h>

#include <polyio/base/text.hpp>
#include <polyio/proto/text.hpp>

namespace polyio::chat {
namespace {

constexpr std::size_t log_limit = 1024;  // bytes of a message in the log

std::int64_t wall_clock_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

ClientPtr make_client(std::uint64_t id, const Stream& stream, Wire wire) {
  auto client = std::make_shared<Client>();
  client->id = id;
  client->wire = wire;
  const auto peer = stream.peer_address();
  const std::string host = !peer ? "?" : peer->family() == AF_UNIX ? "unix" : peer->host();
  client->address = fmt::format("('{}', {})", host, peer ? peer->port() : 0);
  return client;
}

}  // namespace

Member::Member(Chat& chat, const Stream& stream, Wire wire)
    : chat_(chat),
      io_(stream.io()),
      client_(make_client(chat.next_id_.fetch_add(1), stream, wire)) {}

void Member::listen() {
  chat_.on_home(io_, [client = client_](Room& room) { room.add(client); });
}

void Member::remove(ClientPtr client) {
  chat_.on_home(io_, [client = std::move(client)](Room& room) {
    room.remove(client);
    client->outbox.close();
  });
}

void Member::forget() { remove(std::move(client_)); }

void Member::reply(std::string bytes) {
  chat_.on_home(io_, [client = client_, text = std::move(bytes)](Room& room) mutable {
    room.reply(*client, std::move(text));
  });
}

void Member::reply_last(std::string bytes) {
  chat_.on_home(io_, [client = client_, text = std::move(bytes)](Room& room) mutable {
    room.distribute();
    client->outbox.close(std::move(text));
  });
}

void Member::join() {
  chat_.log(fmt::format("joined: {}", client_->address));
  chat_.on_every_home(
      io_, [id = client_->id, name = name_of(client_)](Room& room) { room.came(id, name); });
}

void Member::leave() {
  chat_.log(fmt::format("left: {}", client_->address));
  if (client_->nickname) (void)chat_.take_nickname(*client_->nickname, {});
  remove(client_);
  chat_.on_every_home(io_, [id = client_->id](Room& room) { room.went(id); });
}

void Member::say(std::string_view text) {
  const auto message = std::make_shared<const Message>(client_->id, client_->name(),
                                                       std::string(text), wall_clock_ms());
  if (options().log) {
    chat_.log(fmt::format("[{}] {}", client_->name(), escape_for_log(text, log_limit)));
  }
  chat_.on_every_home(io_, [message](Room& room) { room.said(message); });
}

std::expected<void, std::string> Member::rename(std::string_view nickname) {
  if (!nickname.empty()) {
    if (auto valid = proto::check_nickname(nickname); !valid) return valid;
  }
  if (!chat_.take_nickname(client_->name(), nickname)) {
    return std::unexpected(fmt::format("the nickname {} is taken: choose another", nickname));
  }
  client_->nickname = nickname.empty() ? nullptr : std::make_shared<const std::string>(nickname);
  chat_.log(fmt::format("renamed: {} is {}", client_->address, client_->name()));
  chat_.on_every_home(
      io_, [id = client_->id, name = name_of(client_)](Room& room) { room.renamed(id, name); });
  return {};
}

void Member::ask_history(std::size_t count) {
  client_->outbox.expect_reply();
  chat_.on_home(io_, [client = client_, count](Room& room) { room.send_history(*client, count); });
}

void Member::ask_who() {
  client_->outbox.expect_reply();
  chat_.on_home(io_, [client = client_](Room& room) { room.send_who(*client); });
}

}  // namespace polyio::chat
