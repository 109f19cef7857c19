#include <polyio/os/signals.hpp>
#include <polyio/os/thread_set.hpp>
#include <utility>

namespace polyio::os {

// The list's node is made first, because nothing may throw once the thread runs. The lock is held
// so that a thread which ends at once finds its Thread in the list.
void ThreadSet::start(std::string name, std::move_only_function<void()> work) {
  join_ended();
  Threads made(1);
  const auto self = made.begin();
  const std::lock_guard lock(mutex_);
  *self = Thread(
      [this, self, name = std::move(name), work = std::move(work)]() mutable {
        name_thread(name.c_str());
        work();
        work = nullptr;  // what it holds goes before the thread counts as ended
        const std::lock_guard ending(mutex_);
        if (!joining_) ended_.splice(ended_.end(), running_, self);
      },
      stack_bytes_);
  running_.splice(running_.end(), made);
}

// A thread that the kernel lets run only when no other one wants to may take long to return.
void ThreadSet::join_ended() noexcept {
  const std::lock_guard lock(mutex_);
  std::erase_if(ended_, [](Thread& thread) { return thread.try_join(); });
}

// From here on a thread that ends leaves its Thread where it is.
void ThreadSet::join_all() noexcept {
  {
    const std::lock_guard lock(mutex_);
    joining_ = true;
    running_.splice(running_.end(), ended_);
  }
  for (Thread& thread : running_) thread.join();
  running_.clear();
  joining_ = false;
}

std::size_t ThreadSet::size() const {
  const std::lock_guard lock(mutex_);
  return running_.size() + ended_.size();
}

}  // namespace polyio::os
