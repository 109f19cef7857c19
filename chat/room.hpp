// Room: the clients of one home Io, and their share of the chat. Each home has one room, and every
// event is posted once per room, not once per client. What is said is given out in order, no faster
// than the clients that read can take it. The rule: a Room is used on its home Io only, through
// Chat::on_home; of a client only the Outbox is thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "message.hpp"
#include "outbox.hpp"
#include "people.hpp"

namespace polyio::chat {

enum class Wire : bool { line, websocket };

// One client's connection. Made by its session, shared with its room until it has left.
struct Client {
  static constexpr std::uint32_t nowhere = UINT32_MAX;
  static constexpr std::uint64_t unknown = UINT64_MAX;

  std::uint64_t id = 0;
  Wire wire = Wire::line;
  const class Room* home = nullptr;   // of the room's Io
  bool removed = false;               // from the room; this one and the next two are the room's
  std::uint32_t place = nowhere;      // its index there, once it has all that was said before
  std::uint64_t next = unknown;       // until then, the number of the message that it gets next
  std::string address;                // ('host', port)
  Name nickname;                      // or none; used by its session only
  std::shared_ptr<Client> next_left;  // this one and the next: see Chat::leave_later
  bool leaves_later = false;
  Outbox outbox;

  // What others see. Used by its session only.
  const std::string& name() const noexcept { return nickname ? *nickname : address; }
};
using ClientPtr = std::shared_ptr<Client>;

// The address is not copied: it stays as long as a room lists it.
inline Name name_of(const ClientPtr& client) {
  return client->nickname ? client->nickname : Name(client, &client->address);
}

// Where memory is short, a client's own call throws std::bad_alloc, and what of it waited for its
// turn ends the client by Outbox::fail(); a message that can't be given out yet stays at the front.
class Room {
 public:
  static constexpr std::size_t history_limit = 200;

  Room();

  // Messages are collected during a turn of the loop and given out together: one piece, one wake-up
  // and one write per client. What else happens waits for its turn behind them, so order is kept.
  // Where a client that reads has no space, the room is held() and goes on when it is called again.
  void distribute(TimePoint now = {}) {
    while (distribute_to(SIZE_MAX, now)) {
    }
  }
  // The same for the next `most` clients; true: there are more. After a few dozen, what a client's
  // writer needs is still in the cache, and other tasks run in between. `now`: of the Io.
  bool distribute_to(std::size_t most, TimePoint now = {});
  bool undistributed() const noexcept { return batch_.count > 0 || !waiting_.empty(); }
  bool held() const noexcept { return held_; }

  // --- this home's clients ---
  // A client that is going to be added, and then gets what was said from now on.
  void expect(const ClientPtr& client);
  // A page gets the history and the list of people first.
  void add(const ClientPtr& client);
  // Takes the client out, if it is there, and closes its outbox.
  void remove(const ClientPtr& client);
  void send_history(const ClientPtr& client, std::size_t count);
  // After the client has taken what was sent of the history: sends more.
  void go_on(const ClientPtr& client);
  void send_who(const ClientPtr& client);
  // For a page that has missed news of it.
  void send_people(const ClientPtr& client);
  void reply(const ClientPtr& client, std::string bytes);
  void reply_last(const ClientPtr& client, std::string bytes);

  // --- what happened here or on another home ---
  // `sender` is repaid when all rooms have given the message out.
  void said(const MessagePtr& message, const ClientPtr& sender = nullptr);
  void came(std::uint64_t id, const Name& name) { people_.came(id, name); }
  void went(std::uint64_t id) { people_.went(id); }
  void renamed(std::uint64_t id, const Name& name) { people_.renamed(id, name); }
  // Tells a page its own new name, where no news will.
  void confirm_name(const ClientPtr& client, const Name& name);

  // Presence is sent to the pages in one piece for all that happened since the last time.
  void tell_presence();
  // For how long not to tell more, so that it takes a small share of the loop's time.
  Nanoseconds presence_pause() const noexcept { return presence_pause_; }
  bool presence_changed() const noexcept { return people_.changed(); }

  const std::deque<MessagePtr>& history() const noexcept { return history_; }
  std::size_t present() const noexcept { return people_.names().size(); }
  // Clients of this home that receive messages.
  std::size_t listening() const noexcept { return lines_.size() + pages_.size(); }

 private:
  // A message, or something else that a client (or none) has begun, in its place among them.
  struct Event {
    MessagePtr message;
    ClientPtr client;
    std::move_only_function<void()> work;
  };
  // The messages being distributed, and to how many clients they went.
  struct Batch {
    Piece lines, pages;
    std::uint16_t count = 0;  // messages
    std::size_t to_lines = 0, to_pages = 0;
    std::size_t in_history = 0;  // messages
  };

  std::vector<ClientPtr>& clients(Wire wire) noexcept {
    return wire == Wire::line ? lines_ : pages_;
  }
  std::uint64_t end() const noexcept { return first_ + history_.size(); }
  template <class Work>
  void in_order(const ClientPtr& client, Work work);
  void send_presence() noexcept;
  void gather();
  Piece together(Piece (*encoded)(const MessagePtr&)) const;
  bool give(const std::vector<ClientPtr>& clients, std::size_t& given, const Piece& piece,
            std::size_t& most) const;
  void batch_given();
  void take_out(Client& client);
  void close(Client& client, std::string last);
  void catch_up(const ClientPtr& client, bool from_the_start);

  std::vector<ClientPtr> lines_;
  std::vector<ClientPtr> pages_;
  People people_;
  std::deque<MessagePtr> history_;
  std::uint64_t first_ = 0;  // the number of history_[0], counted from the room's beginning
  std::deque<Event> waiting_;
  Batch batch_;
  std::vector<Event> given_;  // the messages of batch_
  bool held_ = false;
  bool tells_presence_ = false;
  Nanoseconds presence_pause_{0};
  // The room's time: goes on only while the room is at work, so that a client is not blamed for
  // what held up everybody, such as a stopped process.
  Nanoseconds time_{0};
  TimePoint last_call_{};
};

}  // namespace polyio::chat
