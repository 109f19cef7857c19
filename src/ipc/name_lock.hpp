// NameLock: one process at a time makes or opens what has this name. Owning the lock is having
// raised a System V semaphore with SEM_UNDO, which Linux takes back however the process ends. It
// belongs to the IPC namespace, as the segments do, and its key to the user and the name: names
// that share one by chance wait for each other. The rule: whoever has the lock removes the
// semaphore before letting go, so that none stays; one whose owner was killed is removed by the
// next.
#pragma once

#include <sys/types.h>

#include <polyio/base/clock.hpp>
#include <polyio/base/result.hpp>
#include <string_view>
#include <utility>

namespace polyio::ipc {

// The key of a name's semaphore, for the processes of `user`.
key_t key_of(std::string_view name, uid_t user) noexcept;

class NameLock {
 public:
  // Waits for it. Errors: EBUSY, others had it up to the deadline; EACCES, a process of another
  // user has it; ENOSPC, the system allows no more semaphores; ENOMEM.
  static Result<NameLock> take(std::string_view name, Deadline deadline);
  NameLock(NameLock&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  NameLock& operator=(NameLock&&) = delete;
  ~NameLock();

 private:
  explicit NameLock(int number) noexcept : number_(number) {}
  int number_;
};

}  // namespace polyio::ipc
