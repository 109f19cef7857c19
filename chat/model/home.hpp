// Home: an Io of the server, with the shards of the rooms that its clients are in. The rule: all of
// it is used on its Io, but for what says otherwise; what happened elsewhere is posted to it.
#pragma once

#include <polyio/io/io.hpp>
#include <unordered_map>

#include "directory.hpp"
#include "shard.hpp"

namespace polyio::chat {

// An entry of a log, on its way to the homes.
struct Said {
  RoomPtr room;
  MessagePtr message;
  ClientPtr sender;  // or none
};

class Home {
 public:
  Home(Directory& directory, Io& io);

  Io& io() const noexcept { return io_; }
  // The room's shard; nullptr: none of its clients is here.
  Shard* shard(RoomId room) const noexcept;
  // The same, made if it is not there. The room's log has been loaded.
  Shard& open(const RoomPtr& room);

  // What was said, in the order of each room's log. What there is no memory for is taken from the
  // log later. Never throws.
  void take(const std::vector<Said>& said) noexcept;
  // Notes that a message needs nothing more from this home: its sender may go on.
  void settle(const MessagePtr& message, const ClientPtr& sender) noexcept;
  // Runs what waits for the client's own messages.
  void run_later(const ClientPtr& client) noexcept;

  // Runs `work` on this home's Io: now, if that is where it is called.
  void run(std::function<void()> work) {
    if (&io_ == Io::of_this_thread()) return work();
    io_.post(std::move(work));
  }
  // After something happened in a room: what was said goes out once per turn.
  void distribute_soon(Shard& shard);
  // Something is to be given out.
  bool is_busy() const noexcept { return !busy_.empty(); }
  // A client has taken what its rooms wait for.
  void go_on();
  // News of a room's people.
  enum class News : std::uint8_t { came, went, renamed, promoted };
  void presence(RoomId room, News news, PersonId id, const Name& name) noexcept;
  // News was lost on its way here: the pages get the lists with the next. Thread-safe.
  void news_lost() noexcept { news_lost_ = true; }
  // The page lists the people of the room from now on.
  void watch(Shard& shard, const ClientPtr& client);

 private:
  using Work = void (Home::*)();
  struct Alarm : Timer {
    Alarm(Home& owner, Work then) : Timer(post), home(owner), work(then) {}
    static void post(Timer& timer);
    Home& home;
    const Work work;  // on the home's Io
  };
  struct Place {
    RoomPtr room;
    std::unique_ptr<Shard> shard;
    bool busy = false;       // is in busy_
    bool tells = false;      // is in telling_
    bool lost_news = false;  // of people: the pages need the list
    TimePoint news_at{};     // until then, no presence is sent
  };

  void arm(Alarm& alarm, Deadline deadline) noexcept;
  void lose_presence() noexcept;
  void mark(Place& place) noexcept;
  void distribute();
  void post_distribution();
  void tell_presence() noexcept;
  void fetch_missed();
  void close_if_empty(RoomId id) noexcept;
  Shard::TakeCensus census_of(const RoomPtr& room) const;

  Directory& directory_;
  Io& io_;
  std::unordered_map<RoomId, Place> places_;
  std::vector<RoomId> busy_, telling_;  // never grow beyond their capacity: see open()
  bool distributes_ = false;            // before the loop's next turn
  bool distributing_ = false;
  std::atomic<bool> news_lost_{false};
  bool missed_ = false;  // there was no memory for an entry
  Alarm retry_;          // of a distribution that was held up
  Alarm news_;
};

}  // namespace polyio::chat
