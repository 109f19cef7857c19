// WaitingRoom: who may be served now, who waits, and who is turned away; the same for every
// architecture. There are so many places, and so many seats to wait on, first come, first served. A
// place that is given up goes to who waits longest. The rule: what was accepted is served, waits,
// or is told visibly that it will not be. Thread-safe.
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
    std::optional<std::size_t> waiting{};  // none: those wait in the kernel's backlog, unaccepted
    // Other processes have places too: while they have any left, a full one accepts nobody.
    bool shared = false;
  };
  // Counts in `seat`. `wake` is called, by any thread, when may_accept() may have become true.
  WaitingRoom(ServerShared& shared, Limits limits, Seat& seat);
  void set_wake(std::function<void()> wake) { wake_ = std::move(wake); }

  // Whether the next connection may be accepted. False: wake() will be called.
  bool may_accept() noexcept;
  // True: the connection has a place. False: it was taken away, to wait or for good.
  bool enter(Stream& stream);
  bool enter(os::UniqueFd& socket);
  // A place is free again: answers who has it now, if anybody waits.
  std::optional<os::UniqueFd> give_up_place();
  // Answers who waits longest, with a place, if there is one.
  std::optional<os::UniqueFd> next();
  // There are so many places now.
  void set_places(std::size_t places);
  // Who waits is turned away, and so is who comes; places taken stay taken.
  void close();
  // In a forked child: forgets who waits, without a word to them.
  void forget() noexcept;
  bool others_have_places() const noexcept { return limits_.shared; }
  std::size_t active() const noexcept { return seat_.active.load(); }

 private:
  bool take_place_locked() noexcept;
  std::optional<os::UniqueFd> next_locked();
  bool has_room() noexcept;
  void keep(os::UniqueFd socket, std::unique_lock<std::mutex> lock);
  void wake_acceptors();

  ServerShared& shared_;
  Seat& seat_;
  std::function<void()> wake_;
  std::mutex mutex_;
  Limits limits_;
  bool ceiling_;
  bool closed_ = false;
  std::deque<os::UniqueFd> waiting_;
  std::atomic<bool> acceptor_waits_{false};
};

}  // namespace polyio
