// Room: the clients of one home Io, and their share of the chat. Each home has one room, and every
// event is posted once per room, not once per client. The rule: a Room is used on its home Io only,
// through Chat::on_home; of a client only the Outbox is thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "message.hpp"
#include "outbox.hpp"

namespace polyio::chat {

enum class Wire : bool { line, websocket };

// One client's connection. Made by its session, shared with its room until it has left.
struct Client {
  static constexpr std::uint32_t nowhere = UINT32_MAX;

  std::uint64_t id = 0;
  Wire wire = Wire::line;
  std::uint32_t place = nowhere;  // its index in the room; used by the room only
  std::string address;            // ('host', port)
  Name nickname;                  // or none; used by its session only
  Outbox outbox;

  // What others see. Used by its session only.
  const std::string& name() const noexcept { return nickname ? *nickname : address; }
};
using ClientPtr = std::shared_ptr<Client>;

// The address is not copied: it stays as long as a room lists it.
inline Name name_of(const ClientPtr& client) {
  return client->nickname ? client->nickname : Name(client, &client->address);
}

class Room {
 public:
  static constexpr std::size_t history_limit = 200;

  // Messages are collected during a turn of the loop and given out together: one piece, one wake-up
  // and one write per client. Every other event gives them out first, so order is kept.
  void distribute() { (void)distribute_to(SIZE_MAX); }
  // The same for the next `most` clients; true: there are more. After a few dozen, what a client's
  // writer needs is still in the cache, and other tasks run in between.
  bool distribute_to(std::size_t most);
  bool undistributed() const noexcept { return batch_.count > 0 || !waiting_.empty(); }

  // --- this home's clients ---
  void add(const ClientPtr& client);
  void remove(const ClientPtr& client);
  void send_history(Client& client, std::size_t count);
  void send_who(Client& client);
  void reply(Client& client, std::string bytes);

  // --- what happened here or on another home ---
  void said(const MessagePtr& message);
  void came(std::uint64_t id, const Name& name);
  void went(std::uint64_t id);
  void renamed(std::uint64_t id, const Name& name);

  const std::deque<MessagePtr>& history() const noexcept { return history_; }
  std::size_t present() const noexcept { return names_.size(); }
  // Clients of this home that receive messages.
  std::size_t listening() const noexcept { return lines_.size() + pages_.size(); }

 private:
  std::vector<ClientPtr>& clients(Wire wire) noexcept {
    return wire == Wire::line ? lines_ : pages_;
  }
  // The messages being distributed, and to how many clients they went.
  struct Batch {
    Piece lines, pages;
    std::uint16_t count = 0;  // messages
    std::size_t to_lines = 0, to_pages = 0;
  };
  void gather();
  void give(const std::vector<ClientPtr>& clients, std::size_t& given, const Piece& piece,
            std::size_t& most) const;
  void tell_pages(const std::string& frame);

  std::vector<ClientPtr> lines_;
  std::vector<ClientPtr> pages_;
  std::map<std::uint64_t, Name> names_;  // of all clients of the chat, by id
  std::deque<MessagePtr> history_;
  Batch batch_;
  std::vector<MessagePtr> waiting_;
  std::size_t waiting_bytes_ = 0;
};

}  // namespace polyio::chat
