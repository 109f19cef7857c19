// Member: one client of the chat as its session sees it: what the session can do there, in one
// object that knows the chat, the client and its Io. A Verdict's error is a sentence for the
// client. Used by the session's tasks only; the chat outlives it.
#pragma once

#include <polyio/io/stream.hpp>

#include "chat.hpp"

namespace polyio::chat {

// ('host', port) of the peer.
std::string address_of(const Stream& stream);

class Member {
 public:
  // The client at the other end of `stream`, which comes from `address`, ('host', port). No
  // messages come to it and no others see it yet.
  Member(Chat& chat, const Stream& stream, Wire wire, std::string address);
  // A client that has joined has left by then, whatever ended its session.
  ~Member();
  Member(const Member&) = delete;
  Member& operator=(const Member&) = delete;

  const ClientPtr& client() const noexcept { return client_; }
  Outbox& outbox() const noexcept { return client_->outbox; }
  Chat& chat() const noexcept { return chat_; }
  const ChatOptions& options() const noexcept { return chat_.options(); }
  void log(LogLine line) const { chat_.log(line); }
  std::string host() const { return std::string(host_of(client_->address)); }
  // What others see. After join().
  const std::string& name() const noexcept { return *client_->person->name; }

  // When it joins, it will get the lobby's entries from this number on; without it, from join() on.
  void expect(Sequence from) { client_->lobby.next = from; }
  // From now on the lobby's messages come to its outbox, those of its account's rooms too, and all
  // see it. Where guests are not let in, one without an account waits outside for log_in().
  void join(const Account* account = nullptr);
  bool inside() const noexcept { return client_->person != nullptr; }
  // Announces that it has left. Nothing is added to the outbox any more but `last`; what is there
  // is sent.
  void leave(std::string last = {}) noexcept;
  // The account in the place of the guest, or of another account.
  void log_in(const Account& account);

  // `text` has passed check_text and the length limit. `key`: the page's own name for the message.
  Verdict say(RoomId room, std::string_view text, Entry::Kind kind = Entry::Kind::message,
              std::string key = {});
  Verdict edit(RoomId room, Sequence target, std::string_view text);
  Verdict remove(RoomId room, Sequence target);
  // An empty nickname removes it.
  Verdict rename(std::string_view nickname);

  // --- rooms ---
  // One that is not there is made. The number of the room.
  std::expected<RoomId, std::string> join_room(std::string_view name);
  Verdict part(RoomId room);
  // The conversation with another.
  std::expected<RoomId, std::string> converse(std::string_view name);
  Verdict set_topic(RoomId room, std::string_view topic);
  Verdict set_mode(RoomId room, std::optional<bool> is_private, std::optional<bool> read_only);
  // `verb`: invite, kick, ban, unban, mute, unmute, op or deop: is_moderation().
  static bool is_moderation(std::string_view verb) noexcept { return verb_of(verb) != Verb::none; }
  Verdict moderate(RoomId room, std::string_view verb, std::string_view name);
  Verdict read(RoomId room, Sequence sequence);
  PersonId person_id() const noexcept { return client_->person->id; }
  bool is_in(RoomId room) const;
  Sequence end(RoomId room) const;  // the number of its log's next entry
  std::string topic(RoomId room) const;
  std::string where(RoomId room) const;           // before its entries, in lines
  RoomId find_room(std::string_view name) const;  // that it is in; 0: none
  std::string title(RoomId room) const;           // what this member calls it
  std::vector<RoomListing> rooms() const;
  std::vector<RoomId> readable() const;

  // --- flood control ---
  // The client has asked for something. For how long not to read on from it, since the last time
  // that was asked.
  void spend();
  Nanoseconds pause() noexcept { return std::exchange(pause_, Nanoseconds::zero()); }
  // It has been too fast for too long: it is cut off.
  bool too_fast() const { return pace_ && pace_->is_over(chat_.flood_, io_.now()); }

  // An answer to the client alone, in its place among the messages.
  void reply(std::string bytes);
  // The writer's word to the home: there is space again that a room waits for; what was taken has
  // been sent, and more is to come.
  void has_space();
  void has_taken(const Outbox::Batch& batch);
  // Requests a reply: the last `count` entries, or the list of people.
  void ask_history(RoomId room, std::size_t count);
  void ask_who(RoomId room);
  // A page's requests: the newest entries; what it lacks; whose people it lists.
  void send_newest(RoomId room, std::size_t count);
  void show(RoomId room);
  void resume(RoomId room, Sequence from);
  // Reads from the store, off the loops; `answer` makes the reply of it.
  void ask_store(std::move_only_function<std::string(const Store&)> answer);

 private:
  enum class Verb : std::uint8_t { invite, kick, ban, unban, mute, unmute, op, deop, none };
  static Verb verb_of(std::string_view name) noexcept;
  void greet(Greeting greeting);
  void enter(const Account* account);
  std::expected<RoomPtr, std::string> room_here(RoomId id) const;
  Verdict put(const RoomPtr& room, Entry entry, bool by_operator = false);
  Verdict change(RoomId room, Entry entry);
  Verdict may_moderate(const Room& room, Verb verb, const Membership& standing) const;
  void set_standing(Room& room, Verb verb, Membership& standing, Person* person);

  Chat& chat_;
  Io& io_;
  ClientPtr client_;
  std::unique_ptr<Pace> pace_;  // once it has asked for something
  Nanoseconds pause_{0};
  bool present_ = false;  // has joined and not left
};

}  // namespace polyio::chat
