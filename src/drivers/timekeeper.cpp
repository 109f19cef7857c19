#include "timekeeper.hpp"

#include <csignal>
#include <thread>

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
  std::thread([this] { run(); }).detach();
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void Timekeeper::set_deadline(BlockingDriver& driver, Deadline deadline) {
  const std::lock_guard lock(mutex_);
  auto [place, added] = deadlines_.try_emplace(&driver, never);
  // A wish to be served soon stays until it is granted.
  if (!added && place->second == TimePoint::min()) return;
  queue_.erase({place->second, &driver});
  place->second = deadline;
  if (deadline == never) return;
  queue_.insert({deadline, &driver});
  if (queue_.begin()->second == &driver) changed_.notify_one();
}

void Timekeeper::forget(BlockingDriver& driver) {
  std::unique_lock lock(mutex_);
  served_.wait(lock, [&] { return serving_ != &driver; });
  const auto place = deadlines_.find(&driver);
  if (place == deadlines_.end()) return;
  queue_.erase({place->second, &driver});
  deadlines_.erase(place);
}

void Timekeeper::interrupt(BlockedCall& call) {
  const std::lock_guard lock(mutex_);
  calls_.push_back(&call);
  ::pthread_kill(call.thread, SIGURG);
  changed_.notify_one();
}

void Timekeeper::release(BlockedCall& call) {
  const std::lock_guard lock(mutex_);
  std::erase(calls_, &call);
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
    for (BlockedCall* call : calls_) ::pthread_kill(call->thread, SIGURG);
    while (!queue_.empty() && queue_.begin()->first <= monotonic_now()) {
      BlockingDriver* const driver = queue_.begin()->second;
      queue_.erase(queue_.begin());
      deadlines_[driver] = never;
      serving_ = driver;
      lock.unlock();
      driver->serve();
      lock.lock();
      serving_ = nullptr;
      served_.notify_all();
    }
  }
}

}  // namespace polyio
