// Chat: the group chat as a connection handler, for any Io. One port speaks three protocols, told
// apart by a connection's first bytes: lines (nc), HTTP/1.1 (the page) and WebSocket (the page's
// messages). Every line that anybody sends reaches everybody, the sender included. What reaches
// others is valid UTF-8 without control characters; anything else is answered to its sender with an
// error.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <polyio/io/stream.hpp>
#include <string>
#include <unordered_set>
#include <vector>

#include "room.hpp"

namespace polyio::chat {

struct ChatOptions {
  std::size_t max_line = 8192;                             // bytes of a message's text
  Nanoseconds silence = std::chrono::milliseconds(300);    // then a silent client is a line client
  Nanoseconds request_timeout = std::chrono::seconds(10);  // to finish a request's head
  Nanoseconds answer_timeout = std::chrono::seconds(60);   // to take the answer
  Nanoseconds line_timeout = std::chrono::minutes(2);      // to finish a line that has begun
  Nanoseconds ping_interval = std::chrono::seconds(30);    // of silence; twice that: gone
  Nanoseconds farewell = std::chrono::seconds(2);  // to take what is left when a client leaves
  std::vector<std::string>
      host_names;  // by which browsers may know this server, besides IP addresses
  // Joins, leaves and messages, one line each, fit to print. Thread-safe. May be empty.
  std::function<void(const std::string&)> log;
};

class Chat {
 public:
  explicit Chat(ChatOptions options);

  // The Ios that rooms live on; before the first connection.
  void open(const std::vector<Io*>& homes);
  // What `home` knows, for tests and statistics: on that home only, or once its run() has ended.
  const Room& room(const Io& home) const;
  // The handler.
  Task<> serve(Io& io, Stream stream);

  // --- for the sessions; each may be called on any Io ---
  const ChatOptions& options() const noexcept { return options_; }
  ClientPtr make_client(const Stream& stream, Wire wire);
  // From now on messages come to the client's outbox. Nobody knows of it yet.
  void listen(Io& io, const ClientPtr& client);
  // No more comes to the outbox; what is there is still sent.
  void forget(Io& io, const ClientPtr& client);
  // Tells everybody that a listening client is here; leave() that it went, and forgets it.
  void join(Io& io, const ClientPtr& client);
  void leave(Io& io, const ClientPtr& client);
  // `text` has passed check_text and the length limit.
  void say(Io& io, const ClientPtr& client, std::string_view text);
  // An empty nickname takes it off. The error is a sentence for the client.
  std::expected<void, std::string> rename(Io& io, const ClientPtr& client,
                                          std::string_view nickname);
  // An answer to the client alone, in its place among the messages.
  void reply(Io& io, const ClientPtr& client, std::string bytes);
  // The same, and nothing follows it.
  void reply_last(Io& io, const ClientPtr& client, std::string bytes);
  void ask_history(Io& io, const ClientPtr& client, std::size_t count);
  void ask_who(Io& io, const ClientPtr& client);

 private:
  using Work = std::move_only_function<void(Room&)>;
  void on_home(Io& io, Work work);
  template <class Tell>
  void on_every_home(Io& io, const Tell& tell);
  void log(const std::string& line) const {
    if (options_.log) options_.log(line);
  }

  struct Home {
    Io* io;
    Room room;
    bool distributes = false;  // before the loop's next turn
  };
  // After something happened in the room, on its Io: what was said goes out once per turn.
  static void distribute_soon(Home& home);
  static void post_distribution(Home& home);
  ChatOptions options_;
  std::vector<std::unique_ptr<Home>> homes_;
  std::atomic<std::uint64_t> next_id_{1};
  std::mutex nicknames_mutex_;                 // not on the way of a message
  std::unordered_set<std::string> nicknames_;  // in use, in lower case
};

}  // namespace polyio::chat
