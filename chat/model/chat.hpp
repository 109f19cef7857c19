// Chat: the group chat as a connection handler, for any Io. One port speaks three protocols, and a
// connection's first bytes show which: lines (nc), HTTP/1.1 (the page) or WebSocket (the page's
// messages). Every line reaches every client of its room, its sender included. Only valid UTF-8
// without control characters reaches others; the sender of anything else gets an error.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <polyio/base/log_line.hpp>
#include <polyio/io/stream.hpp>
#include <polyio/proto/network.hpp>
#include <polyio/server/background.hpp>
#include <polyio/tls/context.hpp>
#include <set>
#include <string>
#include <vector>

#include "counters.hpp"
#include "flood.hpp"
#include "writer.hpp"

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
  std::function<void(LogLine)> log;

  Store::Options store;  // where messages, accounts and rooms are kept; in memory by default
  // Proxies that say where a connection comes from: by the PROXY protocol or X-Forwarded-For.
  std::vector<proto::Network> proxies;
  Directory::Limits limits;
  FloodLimits flood;
  // The first guest's number; 0: by the clock, so that none is used twice.
  PersonId first_guest = 0;
  bool may_register = true;  // everybody may make an account
  bool guests = true;        // without one, people may write and read
  // Clients that begin with a TLS handshake are served over TLS, on the same port.
  std::optional<tls::ServerContext> tls;
  bool tls_only = false;      // others are refused; for where there is `tls`
  bool write_inline = false;  // for tests: Writer
};

class Chat {
 public:
  // Opens the store. Throws std::runtime_error, which says what is wrong and what to do.
  explicit Chat(ChatOptions options);

  // Makes a home of each Io; before the first connection.
  void open(const std::vector<Io*>& homes);
  // Runs on each home, so that it ends only when nothing more comes to it from the writer.
  BackgroundTask background();

  // The lobby's part on `home`, for tests and statistics: on that Io only, or once its run() has
  // ended.
  const Shard& lobby(const Io& home) const;
  std::size_t people() const;
  Sequence lobby_end() const;  // the number of the lobby's next entry

  const ChatOptions& options() const noexcept { return options_; }
  // `line` is printable.
  void log(LogLine line) const {
    if (options_.log) options_.log(line);
  }
  Store& store() noexcept { return *store_; }
  Directory& directory() noexcept { return directory_; }
  Writer& writer() noexcept { return writer_; }
  FloodTable& flood() noexcept { return flood_; }
  Counters& counters() noexcept { return counters_; }
  // Whether it is one of the proxies.
  bool trusts(std::string_view host) const noexcept {
    return proto::any_contains(options_.proxies, host);
  }
  // Ends all connections of an account.
  void end_connections(PersonId account);
  // What /metrics says.
  std::string metrics() const;
  // For reading from the store, and for passwords: bounded, off the loops.
  ThreadPoolExecutor& readers() noexcept { return readers_; }
  ThreadPoolExecutor& passwords() noexcept { return passwords_; }

 private:
  friend class Admin;
  friend class Member;
  Home& home_of(const Io& io) const;
  // Runs `work`, which is the client's, on its home, after all that the client has said was given
  // out. What it throws there ends the client.
  void on_home(Io& io, const ClientPtr& client, std::move_only_function<void(Home&)> work);
  // The client's person comes; and goes, with its last connection. A client whose going there is
  // no memory for is put off: go_left() tries again when another comes or asks for something.
  std::vector<RoomPtr> come(const ClientPtr& client, const Account* account);
  void go_person(const ClientPtr& client) noexcept;
  void go(Io& io, const ClientPtr& client, std::string last) noexcept;
  void go_later(const ClientPtr& client) noexcept;
  void go_left(Io& io) noexcept;
  void tell(Room& room, Home::News news, PersonId id, const Name& name) noexcept;
  // A person has entered a room, or has left it: gives its clients their seats, or takes them. Not
  // under the directory's lock.
  void entered(const RoomPtr& room, const std::vector<ClientPtr>& clients, const ClientPtr& asker);
  void left(const RoomPtr& room, PersonId id, const std::vector<ClientPtr>& clients,
            const std::string& why);
  void seat(const ClientPtr& client, const RoomPtr& room, Sequence from, bool counted);
  void add(Shard& shard, const ClientPtr& client, const RoomPtr& room);
  void unseat(const ClientPtr& client, const RoomPtr& room, const std::string& why);
  static void load(Room& room, const Store& store);
  bool is_private(const Room& room) const;
  // Under the directory's lock.
  std::vector<ClientPtr> take_out(const RoomPtr& room, Person& person);
  void show(Room& room, const Person& person, const ClientPtr& client, Sequence last);
  void show(Room& room, const Person& person);
  static void notify(const Person& person, const std::string& line, const std::string& frame);
  void remember(const Membership& membership);
  // What is written from time to time: how far each account has read; and what is too old goes.
  void keep_house() noexcept;
  void tidy(std::int64_t now_ms);
  void inherit(const Person& guest, PersonId account);

  ChatOptions options_;
  std::unique_ptr<Store> store_;
  Directory directory_;
  FloodTable flood_;
  Counters counters_;
  std::vector<std::unique_ptr<Home>> homes_;
  // Whose Membership::read has not been written yet; under the directory's lock.
  std::set<std::pair<RoomId, PersonId>> reads_;
  std::mutex left_mutex_;
  ClientPtr left_;  // the first that go_later() took, linked by Client::next_left
  std::atomic<bool> any_left_{false};
  ThreadPoolExecutor readers_;
  ThreadPoolExecutor passwords_;
  Writer writer_;  // last: it is through with all before the rest goes
};

}  // namespace polyio::chat
