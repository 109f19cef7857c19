#include "waiting_room.hpp"

#include <utility>

namespace polyio {

WaitingRoom::WaitingRoom(ServerShared& shared, Limits limits, ProcessCounts& counts)
    : shared_(shared), counts_(counts), limits_(limits), ceiling_(limits.places != no_ceiling) {}

bool WaitingRoom::has_room() noexcept {
  const std::lock_guard lock(mutex_);
  if (closed_ || counts_.active.load() < limits_.places) return true;
  if (!limits_.waiting) return false;
  if (!limits_.shared) return true;
  // Another process may have a place, or room to wait.
  if (shared_.active() < shared_.options.max_connections) return false;
  return waiting_.size() < *limits_.waiting || shared_.waiting() >= *shared_.dials.max_waiting;
}

// Looked at twice: a place given up in between is seen here, or its giver sees the flag.
bool WaitingRoom::may_accept() noexcept {
  if (!ceiling_ || has_room()) return true;
  acceptor_waits_.store(true);
  return has_room();
}

bool WaitingRoom::take_place_locked() noexcept {
  if (counts_.active.load() >= limits_.places || !waiting_.empty()) return false;
  counts_.active.fetch_add(1);
  return true;
}

bool WaitingRoom::enter(os::UniqueFd& socket) {
  if (!ceiling_) {
    counts_.active.fetch_add(1);
    return true;
  }
  std::unique_lock lock(mutex_);
  if (take_place_locked()) return true;
  keep(std::move(socket), std::move(lock));
  return false;
}

// Without a limit to those that wait there is one all the same, for a model that accepts ahead
// (io_uring) when it retires: the few that it had accepted by then.
void WaitingRoom::keep(os::UniqueFd socket, std::unique_lock<std::mutex> lock) {
  const auto one_more = [this] {
    try {
      waiting_.emplace_back();
      return true;
    } catch (const std::bad_alloc&) {
      return false;
    }
  };
  if (!closed_ && waiting_.size() < limits_.waiting.value_or(1024) && one_more()) {
    waiting_.back() = std::move(socket);
    counts_.waiting.store(waiting_.size(), std::memory_order_relaxed);
    return;
  }
  lock.unlock();
  shared_.counters().turned_away.fetch_add(1, std::memory_order_relaxed);
  turn_away(std::move(socket), shared_.options.refusal);
}

std::optional<os::UniqueFd> WaitingRoom::next_locked() {
  if (waiting_.empty() || counts_.active.load() >= limits_.places) return std::nullopt;
  os::UniqueFd socket = std::move(waiting_.front());
  waiting_.pop_front();
  counts_.waiting.store(waiting_.size(), std::memory_order_relaxed);
  counts_.active.fetch_add(1);
  return socket;
}

std::optional<os::UniqueFd> WaitingRoom::next() {
  const std::lock_guard lock(mutex_);
  return next_locked();
}

std::optional<os::UniqueFd> WaitingRoom::give_up_place() {
  std::optional<os::UniqueFd> socket;
  if (ceiling_) {
    const std::lock_guard lock(mutex_);
    counts_.active.fetch_sub(1);
    socket = next_locked();
  } else {
    counts_.active.fetch_sub(1);
  }
  if (!socket) wake_acceptors();
  return socket;
}

void WaitingRoom::wake_acceptors() {
  if (ceiling_ && acceptor_waits_.exchange(false) && wake_) wake_();
}

void WaitingRoom::set_places(std::size_t places) {
  {
    const std::lock_guard lock(mutex_);
    limits_.places = places;
  }
  wake_acceptors();
}

void WaitingRoom::close() {
  std::deque<os::UniqueFd> sockets;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    sockets.swap(waiting_);
    counts_.waiting.store(0, std::memory_order_relaxed);
  }
  for (os::UniqueFd& socket : sockets) {
    shared_.counters().turned_away.fetch_add(1, std::memory_order_relaxed);
    turn_away(std::move(socket), shared_.options.refusal);
  }
  wake_acceptors();
}

void WaitingRoom::forget() noexcept { waiting_.clear(); }

}  // namespace polyio
