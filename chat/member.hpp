// Member: one client of the chat as its session sees it: what the session can do there, in one
// object that knows the chat, the client and its Io. Used by the session's tasks only; the chat
// outlives it.
#pragma once

#include <polyio/io/stream.hpp>

#include "chat.hpp"

namespace polyio::chat {

class Member {
 public:
  // The client at the other end of `stream`. No messages come to it and no others see it yet.
  Member(Chat& chat, const Stream& stream, Wire wire);

  Client& client() const noexcept { return *client_; }
  const ChatOptions& options() const noexcept { return chat_.options(); }

  // From now on messages come to the client's outbox.
  void listen();
  // Announces a listening client to all clients.
  void join();
  // Announces that it has left. Nothing is added to the outbox any more; what is there is sent.
  void leave();
  // Undoes listen(), for a client that has not joined. Nothing may be called after it.
  void forget();

  // `text` has passed check_text and the length limit.
  void say(std::string_view text);
  // An empty nickname removes it. The error is a sentence for the client.
  std::expected<void, std::string> rename(std::string_view nickname);

  // An answer to the client alone, in its place among the messages.
  void reply(std::string bytes);
  // The same, as the last thing that is sent.
  void reply_last(std::string bytes);
  // Requests a reply: the last `count` lines, or the list of people.
  void ask_history(std::size_t count);
  void ask_who();

 private:
  void remove(ClientPtr client);

  Chat& chat_;
  Io& io_;
  ClientPtr client_;
};

}  // namespace polyio::chat
