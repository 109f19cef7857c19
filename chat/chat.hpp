// Chat: the group chat as a connection handler, for any Io. One port speaks three protocols, and a
// connection's first bytes show which: lines (nc), HTTP/1.1 (the page) or WebSocket (the page's
// messages). Every line reaches every client, its sender included. Only valid UTF-8 without control
// characters reaches others; the sender of anything else gets an error.
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
  // Bytes of a message's text.
  std::size_t max_line = 8192;
  // A client that has sent nothing for this long is a line client.
  Nanoseconds silence = std::chrono::milliseconds(300);
  // A client's time to finish the head of an HTTP request, to take the answer, to finish a line it
  // has begun, and to take what is left when it leaves.
  Nanoseconds request_timeout = std::chrono::seconds(10);
  Nanoseconds answer_timeout = std::chrono::seconds(60);
  Nanoseconds line_timeout = std::chrono::minutes(2);
  Nanoseconds farewell = std::chrono::seconds(2);
  // An HTTP connection's time without a request, after the first.
  Nanoseconds keep_alive = std::chrono::seconds(75);
  // A page is pinged after this much silence, and gone after twice as much.
  Nanoseconds ping_interval = std::chrono::seconds(30);
  // Names by which browsers may know this server, besides IP addresses and localhost.
  std::vector<std::string> host_names;
  // Takes joins, leaves, messages and refusals, one printable line each. Thread-safe. May be empty.
  std::function<void(const std::string&)> log;
};

class Chat {
 public:
  explicit Chat(ChatOptions options);

  // Makes a room for each Io; before the first connection.
  void open(const std::vector<Io*>& homes);
  // The room of `home`, for tests and statistics: on that Io only, or once its run() has ended.
  const Room& room(const Io& home) const;
  // The connection handler.
  Task<> serve(Io& io, Stream stream);

  const ChatOptions& options() const noexcept { return options_; }
  // `line` is printable.
  void log(const std::string& line) const {
    if (options_.log) options_.log(line);
  }

 private:
  friend class Member;
  struct Home {
    explicit Home(Io* owner)
        : io(owner), retry(*this, distribute_soon), news(*this, tell_presence_soon) {}
    struct Alarm : Timer {
      Alarm(Home& owner, void (*then)(Home&)) : Timer(post), home(owner), work(then) {}
      static void post(Timer& timer);
      Home& home;
      void (*const work)(Home&);  // on the home's Io
    };
    Io* io;
    Room room;
    bool distributes = false;  // before the loop's next turn
    Alarm retry;               // of a distribution that was held up
    Alarm news;                // until then, no presence is sent
  };
  Home& home_of(const Io& io) const;
  // Takes the client out of all rooms, calling from `io`. A room that has no memory for it is put
  // off: tell_left() tries again when the next client joins or asks for something.
  void leave(Io& io, const ClientPtr& client) noexcept;
  void leave_later(const ClientPtr& client) noexcept;
  void tell_left(Io& io) noexcept;
  // Runs `work`, which is the client's, with the room that `io`'s connections belong to, on that
  // room's Io. What it throws there ends the client.
  void on_home(Io& io, const ClientPtr& client, std::move_only_function<void(Room&)> work);
  template <class Work>
  static auto for_client(ClientPtr client, Work work) {
    return [client = std::move(client), work = std::move(work)]() mutable {
      try {
        work();
      } catch (...) {
        client->outbox.fail();
        throw;
      }
    };
  }
  // A client has taken what its room waits for.
  void go_on(Io& io);
  // The same with every room, each on its own Io. Copied once per room.
  template <class Work>
  void on_every_home(Io& io, const ClientPtr& client, const Work& work);
  // After something happened in the room, on its Io: what was said goes out once per turn.
  static void distribute_soon(Home& home);
  static void post_distribution(Home& home);
  static void distribute(Home& home);
  static void tell_presence_soon(Home& home);
  // Replaces the nickname `before` by `after`; empty: none. False: another client has `after`.
  bool take_nickname(std::string_view before, std::string_view after);
  void release_nickname(Client& client);
  ChatOptions options_;
  std::vector<std::unique_ptr<Home>> homes_;
  std::atomic<std::uint64_t> next_id_{1};
  std::mutex nicknames_mutex_;                 // not on the way of a message
  std::unordered_set<std::string> nicknames_;  // in use, as nickname_key()
  std::mutex left_mutex_;
  ClientPtr left_;  // the first that leave_later() took, linked by Client::next_left
  std::atomic<bool> any_left_{false};
};

template <class Work>
void Chat::on_every_home(Io& io, const ClientPtr& client, const Work& work) {
  for (auto& home : homes_) {
    auto task = [work, at = home.get()] {
      work(at->room);
      tell_presence_soon(*at);
      distribute_soon(*at);
    };
    if (home->io == &io) {
      task();
    } else {
      home->io->post(for_client(client, std::move(task)));
    }
  }
}

}  // namespace polyio::chat
