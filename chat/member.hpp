// Member: one client of the chat as its session sees it: what the session can do there, in one
// object that knows the chat, the client and its Io. Used by the session's tasks only; the chat
// outlives it.
#pragma once

#include <polyio/io/stream.hpp>

#include "chat.hpp"

namespace polyio::chat {

// ('host', port) of the peer.
std::string address_of(const Stream& stream);

class Member {
 public:
  // The client at the other end of `stream`. No messages come to it and no others see it yet.
  Member(Chat& chat, const Stream& stream, Wire wire);
  // A client that has joined has left by then, whatever ended its session.
  ~Member();
  Member(const Member&) = delete;
  Member& operator=(const Member&) = delete;

  const ClientPtr& client() const noexcept { return client_; }
  Outbox& outbox() const noexcept { return client_->outbox; }
  const ChatOptions& options() const noexcept { return chat_.options(); }
  void log(const std::string& line) const { chat_.log(line); }

  // When it joins, it will get the messages from now on.
  void expect();
  // From now on messages come to its outbox, and all clients see it.
  void join();
  // Announces that it has left. Nothing is added to the outbox any more; what is there is sent.
  void leave() noexcept;

  // `text` has passed check_text and the length limit.
  void say(std::string_view text);
  // An empty nickname removes it. The error is a sentence for the client.
  std::expected<void, std::string> rename(std::string_view nickname);

  // An answer to the client alone, in its place among the messages.
  void reply(std::string bytes);
  // The same, as the last thing that is sent.
  void reply_last(std::string bytes);
  // The writer's word to the room: there is space again that the room waits for; what was taken has
  // been sent, and more is to come.
  void has_space();
  void has_taken(const Outbox::Batch& batch);
  // Requests a reply: the last `count` lines, or the list of people.
  void ask_history(std::size_t count);
  void ask_who();

 private:
  Chat& chat_;
  Io& io_;
  ClientPtr client_;
  bool present_ = false;  // has joined and not left
};

}  // namespace polyio::chat
