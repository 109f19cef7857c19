// Shard: a room's clients of one home Io, and their share of its log. What is said is given out in
// order, no faster than the clients that read can take it. The rule: a Shard is used on its home Io
// only; of a client only the Outbox is thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "client.hpp"
#include "people.hpp"

namespace polyio::chat {

// Where memory is short, a client's own call throws std::bad_alloc, and what of it waited for its
// turn ends the client by Outbox::fail(); a message that can't be given out yet stays at the front.
class Shard {
 public:
  static constexpr std::size_t history_limit = 200;
  // Called for each message that was given out, with what said() had beside it. Must not throw.
  using Given = std::move_only_function<void(const MessagePtr&, const ClientPtr&)>;
  using TakeCensus = std::function<People::Census(std::size_t most)>;

  // `history`: the newest entries of the log, of which the next will have the number `end`.
  explicit Shard(RoomId room, const Home* home = nullptr, std::deque<MessagePtr> history = {},
                 Sequence end = 1, Given given = {});

  RoomId room() const noexcept { return room_; }

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
  // From the entry on that its seat names, or from now on. In its place, `first` is called with the
  // number of that entry; false: the client has gone, and is not added.
  using First = std::move_only_function<bool(Sequence)>;
  void add(const ClientPtr& client, First first = {});
  // Takes the client out, if it is there, and then calls `then`.
  void remove(const ClientPtr& client, std::move_only_function<void()> then = {});
  // Sends the newest `count` entries again, and goes on from there.
  void send_history(const ClientPtr& client, std::size_t count);
  // The same from an entry's number on: for a page that has all before it.
  void resume(const ClientPtr& client, Sequence from);
  // Sends a page the newest `count` as history.
  void send_newest(const ClientPtr& client, std::size_t count);
  // After the client has taken what was sent of the history: sends more.
  void go_on(const ClientPtr& client);
  // Any work, in its place among the messages; std::bad_alloc ends the client.
  void in_order(const ClientPtr& client, std::move_only_function<void()> work);
  void reply(const ClientPtr& client, std::string bytes);

  // --- pages that show the room ---
  // Sends the page the list of people, and from then on news of it.
  void watch(const ClientPtr& client, const TakeCensus& census);
  void unwatch(const ClientPtr& client) noexcept;
  bool watched() const noexcept { return !watchers_.empty(); }
  // For a page that has missed news of it.
  void send_people(const ClientPtr& client);

  // --- what happened here or on another home ---
  // The entry with the number expects(); one by one.
  void said(const MessagePtr& message, const ClientPtr& sender = nullptr);
  Sequence expects() const noexcept { return next_; }
  void came(PersonId id, const Name& name) {
    if (watched()) people_.came(id, name);
  }
  void went(PersonId id) {
    if (watched()) people_.went(id);
  }
  void renamed(PersonId id, const Name& name) {
    if (watched()) people_.renamed(id, name);
  }

  // There was no memory for entries before the number `to`, and they are not to be had any more:
  // the clients have a gap.
  void jump(Sequence to);
  // There was none for news of people: the pages get the list.
  void list_anew(const TakeCensus& census);

  // Presence is sent to the pages in one piece for all that happened since the last time.
  void tell_presence(TakeCensus census);
  // For how long not to tell more, so that it takes a small share of the loop's time.
  Nanoseconds presence_pause() const noexcept { return presence_pause_; }
  bool presence_changed() const noexcept { return people_.changed(); }

  const std::deque<MessagePtr>& history() const noexcept { return history_; }
  // The number of the entry that comes next.
  Sequence end() const noexcept { return first_ + history_.size(); }
  // Clients of this home that receive messages.
  std::size_t listening() const noexcept {
    std::size_t all = 0;
    for (const auto& clients : clients_) all += clients.size();
    return all;
  }
  // Those that were added and not removed.
  std::size_t seated() const noexcept { return seated_; }

 private:
  // A message, or something else that a client (or none) has begun, in its place among them.
  struct Event {
    MessagePtr message;
    ClientPtr client;
    std::move_only_function<void()> work;
  };
  // The messages being distributed, and to how many clients they went.
  struct Batch {
    std::array<Piece, wires> pieces{};  // by wire
    std::uint16_t count = 0;            // messages
    std::array<std::size_t, wires> given{};
    std::size_t in_history = 0;  // messages
  };

  std::vector<ClientPtr>& clients(Wire wire) noexcept {
    return clients_[static_cast<std::size_t>(wire)];
  }
  Seat* seat_of(Client& client) const;
  void send_presence(const TakeCensus& census) noexcept;
  void gather();
  Piece together(Piece (*encoded)(const MessagePtr&)) const;
  bool give(const std::vector<ClientPtr>& clients, std::size_t& given, const Piece& piece,
            std::size_t& most) const;
  void batch_given();
  void take_out(Client& client, Seat& seat);
  void catch_up(const ClientPtr& client, Seat& seat);

  const RoomId room_;
  const Home* const home_;
  Given on_given_;
  std::array<std::vector<ClientPtr>, wires> clients_;  // by wire
  std::vector<ClientPtr> early_;  // get nothing before the shard has come to their first entry
  std::vector<ClientPtr> watchers_;
  std::size_t seated_ = 0;
  People people_;
  std::deque<MessagePtr> history_;
  Sequence first_;  // the number of history_[0]
  Sequence next_;   // the number of the next one that said() brings
  std::deque<Event> waiting_;
  Batch batch_;
  std::vector<Event> given_;  // the messages of batch_
  bool held_ = false;
  bool in_place_ = false;  // what is asked for now comes behind what was given out just now
  bool tells_presence_ = false;
  Nanoseconds presence_pause_{0};
  // The room's time: goes on only while the room is at work, so that a client is not blamed for
  // what held up everybody, such as a stopped process.
  Nanoseconds time_{0};
  TimePoint last_call_{};
};

}  // namespace polyio::chat
