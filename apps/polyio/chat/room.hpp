// Room: the group of clients on one home Io, and their share of the chat. Each home has one; they
// tell each other what happens, once per event and not once per client. Rule: a Room is used on its
// home Io only, through Chat::on_home; what is thread-safe about a client is its Outbox.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "message.hpp"
#include "outbox.hpp"

namespace polyio::chat {

enum class Wire : bool { line, websocket };

// One person's connection. Made by its session, shared with its room until it has left.
struct Client {
  std::uint64_t id = 0;
  Wire wire = Wire::line;
  std::string address;  // ('host', port)
  std::string
      name;  // what others see: a nickname, or the address; its own session's, not the room's
  Outbox outbox;
};
using ClientPtr = std::shared_ptr<Client>;

class Room {
 public:
  static constexpr std::size_t history_limit = 200;

  // --- this home's clients ---
  void add(const ClientPtr& client);
  void remove(const ClientPtr& client);
  void send_history(Client& client, std::size_t count) const;
  void send_who(Client& client) const;

  // --- what happened here or on another home ---
  void said(const MessagePtr& message);
  void came(std::uint64_t id, const std::string& name);
  void went(std::uint64_t id);
  void renamed(std::uint64_t id, const std::string& name);

  const std::deque<MessagePtr>& history() const noexcept { return history_; }
  std::size_t present() const noexcept { return names_.size(); }
  // Clients of this home that messages come to.
  std::size_t listening() const noexcept { return places_.size(); }

 private:
  void tell_pages(const std::string& frame);

  std::vector<ClientPtr> lines_;
  std::vector<ClientPtr> pages_;
  std::unordered_map<std::uint64_t, std::size_t> places_;  // of this home's clients in those two
  std::map<std::uint64_t, std::string> names_;             // everybody's, by id
  std::deque<MessagePtr> history_;
};

}  // namespace polyio::chat
