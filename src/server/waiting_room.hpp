// WaitingRoom: decides which accepted connections are served now, which wait and which are turned
// away; the same for every architecture. At most `places` are served at once, up to `waiting` more
// queue in the order they came, the rest are turned away. A place that is given up goes to the one
// that has waited longest. The rule: a connection that was accepted is served, waits, or is turned
// away visibly. Thread-safe.
#pragma once

#include <deque>
#include <functional>
#include <mutex>
#include <optional>

#include "shared.hpp"

namespace polyio {

class WaitingRoom {
 public:
  static constexpr std::size_t no_ceiling = SIZE_MAX;
  struct Limits {
    std::size_t places = no_ceiling;
    std::optional<std::size_t> waiting{};  // none: the rest waits in the backlog, unaccepted
    // Other processes have places too: while any of them has one left, a full process accepts
    // nothing.
    bool shared = false;
  };
  // Counts in `counts`. `wake` is called, by any thread, when may_accept() may have become true.
  WaitingRoom(ServerShared& shared, Limits limits, ProcessCounts& counts);
  void set_wake(std::function<void()> wake) { wake_ = std::move(wake); }

  // Whether the next connection may be accepted. False: wake() will be called.
  bool may_accept() noexcept;
  // True: the connection has a place. False: it was taken over, to wait or to be turned away.
  bool enter(os::UniqueFd& socket);
  // Gives up a place. Answers the connection that has waited longest, which has the place now.
  std::optional<os::UniqueFd> give_up_place();
  // The same with a place that is free already.
  std::optional<os::UniqueFd> next();
  // Sets the number of places.
  void set_places(std::size_t places);
  // Turns away those that wait, and from now on those that come and find no place.
  void close();
  // In a forked child: forgets those that wait, which are the parent's.
  void forget() noexcept;
  bool others_have_places() const noexcept { return limits_.shared; }
  std::size_t active() const noexcept { return counts_.active.load(); }

 private:
  bool take_place_locked() noexcept;
  std::optional<os::UniqueFd> next_locked();
  bool has_room() noexcept;
  void keep(os::UniqueFd socket, std::unique_lock<std::mutex> lock);
  void wake_acceptors();

  ServerShared& shared_;
  ProcessCounts& counts_;
  std::function<void()> wake_;
  std::mutex mutex_;
  Limits limits_;
  bool ceiling_;
  bool closed_ = false;
  std::deque<os::UniqueFd> waiting_;
  std::atomic<bool> acceptor_waits_{false};
};

}  // namespace polyio
