#include "member.hpp"

#include <fmt/format.h>

#include <polyio/base/text.hpp>
#include <polyio/proto/text.hpp>

#include "nickname_key.hpp"

namespace polyio::chat {
namespace {

constexpr std::size_t log_limit = 1024;  // bytes of a message in the log

std::int64_t wall_clock_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

ClientPtr make_client(std::uint64_t id, const Stream& stream, Wire wire, const Room& home) {
  auto client = std::make_shared<Client>();
  client->home = &home;
  client->id = id;
  client->wire = wire;
  client->address = address_of(stream);
  return client;
}

}  // namespace

std::string address_of(const Stream& stream) {
  const auto peer = stream.peer_address();
  const std::string host = !peer ? "?" : peer->family() == AF_UNIX ? "unix" : peer->host();
  return fmt::format("('{}', {})", host, peer ? peer->port() : 0);
}

Member::Member(Chat& chat, const Stream& stream, Wire wire)
    : chat_(chat),
      io_(stream.io()),
      client_(make_client(chat.next_id_.fetch_add(1), stream, wire, chat.room(io_.home()))) {}

Member::~Member() {
  if (!present_) return;
  client_->outbox.close();
  leave();
}

void Member::expect() {
  chat_.on_home(io_, client_, [client = client_](Room& room) { room.expect(client); });
}

void Member::reply(std::string bytes) {
  client_->outbox.expect_reply();
  chat_.on_home(io_, client_, [client = client_, text = std::move(bytes)](Room& room) mutable {
    room.reply(client, std::move(text));
  });
}

void Member::reply_last(std::string bytes) {
  chat_.on_home(io_, client_, [client = client_, text = std::move(bytes)](Room& room) mutable {
    room.reply_last(client, std::move(text));
  });
}

void Member::join() {
  chat_.log(fmt::format("joined: {}", client_->address));
  present_ = true;
  chat_.on_every_home(io_, client_, [id = client_->id, name = name_of(client_)](Room& room) {
    room.came(id, name);
  });
  chat_.on_home(io_, client_, [client = client_](Room& room) { room.add(client); });
}

void Member::leave() noexcept {
  present_ = false;
  chat_.leave(io_, client_);
  try {
    chat_.log(fmt::format("left: {}", client_->address));
    // NOLINTNEXTLINE(bugprone-empty-catch): the log does without it
  } catch (const std::bad_alloc&) {
  }
}

void Member::say(std::string_view text) {
  const auto message = std::make_shared<const Message>(client_->id, client_->name(),
                                                       std::string(text), wall_clock_ms());
  message->rooms = static_cast<std::uint32_t>(chat_.homes_.size());
  client_->outbox.charge(message->cost());
  if (options().log) {
    chat_.log(fmt::format("[{}] {}", client_->name(), escape_for_log(text, log_limit)));
  }
  chat_.on_every_home(io_, client_,
                      [message, client = client_](Room& room) { room.said(message, client); });
}

std::expected<void, std::string> Member::rename(std::string_view nickname) {
  if (!nickname.empty()) {
    if (auto valid = proto::check_nickname(nickname); !valid) return valid;
    if (auto valid = check_name(nickname); !valid) return valid;
  }
  Name taken = nickname.empty() ? nullptr : std::make_shared<const std::string>(nickname);
  if (!chat_.take_nickname(client_->name(), nickname)) {
    return std::unexpected(fmt::format("the nickname {} is taken: choose another", nickname));
  }
  client_->nickname = std::move(taken);
  chat_.log(fmt::format("renamed: {} is {}", client_->address, client_->name()));
  chat_.on_every_home(io_, client_, [id = client_->id, name = name_of(client_)](Room& room) {
    room.renamed(id, name);
  });
  chat_.on_home(io_, client_, [client = client_, name = name_of(client_)](Room& room) {
    room.confirm_name(client, name);
  });
  return {};
}

void Member::has_space() { chat_.go_on(io_); }

void Member::has_taken(const Outbox::Batch& batch) {
  chat_.on_home(io_, client_, [client = client_, history = batch.catching_up()](Room& room) {
    if (history) return room.go_on(client);
    room.send_people(client);
  });
}

void Member::ask_history(std::size_t count) {
  client_->outbox.expect_history();
  chat_.on_home(io_, client_,
                [client = client_, count](Room& room) { room.send_history(client, count); });
}

void Member::ask_who() {
  client_->outbox.expect_reply();
  chat_.on_home(io_, client_, [client = client_](Room& room) { room.send_who(client); });
}

}  // namespace polyio::chat
