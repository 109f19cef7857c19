#include "timekeeper.hpp"

#include <csignal>
#include <thread>

#include "baton.hpp"

namespace polyio {

Timekeeper& Timekeeper::instance() {
  static Timekeeper& keeper = *new Timekeeper;  // never destroyed: its thread may outlive main
  return keeper;
}

Timekeeper::Timekeeper() {
  struct sigaction action{};
  action.sa_handler = [](int) {};
  sigemptyset(&action.sa_mask);  // no SA_RESTART: the call it interrupts has to end
  ::sigaction(SIGURG, &action, nullptr);
  sigset_t all, before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    std::thread([this] { run(); }).detach();
  } catch (...) {
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    throw;
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void Timekeeper::remember(Baton& baton) {
  const std::lock_guard lock(mutex_);
  const auto [place, added] = deadlines_.try_emplace(&baton, never);
  try {
    queue_.insert({never, &baton});
  } catch (...) {
    deadlines_.erase(place);
    throw;
  }
}

void Timekeeper::move(Deadlines::iterator place, Deadline deadline) noexcept {
  auto node = queue_.extract({place->second, place->first});
  node.value().first = deadline;
  queue_.insert(std::move(node));
  place->second = deadline;
}

void Timekeeper::set_deadline(Baton& baton, Deadline deadline) {
  const std::lock_guard lock(mutex_);
  const auto place = deadlines_.find(&baton);
  // A request to be served soon stays until that is done.
  if (place == deadlines_.end() || place->second == TimePoint::min()) return;
  move(place, deadline);
  if (deadline == never) return;
  if (queue_.begin()->second == &baton) changed_.notify_one();
}

void Timekeeper::forget(Baton& baton) {
  std::unique_lock lock(mutex_);
  served_.wait(lock, [&] { return serving_ != &baton; });
  const auto place = deadlines_.find(&baton);
  if (place == deadlines_.end()) return;
  queue_.erase({place->second, &baton});
  deadlines_.erase(place);
}

void Timekeeper::interrupt(BlockedCall& call) {
  const std::lock_guard lock(mutex_);
  calls_.push_back(call);
  ::pthread_kill(call.thread, SIGURG);
  changed_.notify_one();
}

void Timekeeper::release(BlockedCall& call) {
  const std::lock_guard lock(mutex_);
  call.unlink();
}

void Timekeeper::run() {
  using namespace std::chrono_literals;
  ::pthread_setname_np(::pthread_self(), "timekeeper");
  std::unique_lock lock(mutex_);
  for (;;) {
    Deadline until = queue_.empty() ? never : queue_.begin()->first;
    if (!calls_.empty()) until = std::min(until, monotonic_now() + 1ms);
    if (until == never) {
      changed_.wait(lock);
    } else if (until > monotonic_now()) {
      changed_.wait_until(lock, until);
    }
    for (BlockedCall* call = calls_.front(); call; call = calls_.next(*call)) {
      ::pthread_kill(call->thread, SIGURG);
    }
    while (!queue_.empty() && queue_.begin()->first <= monotonic_now()) {
      Baton* const baton = queue_.begin()->second;
      move(deadlines_.find(baton), never);
      serving_ = baton;
      lock.unlock();
      baton->serve();
      lock.lock();
      serving_ = nullptr;
      served_.notify_all();
    }
  }
}

}  // namespace polyio
