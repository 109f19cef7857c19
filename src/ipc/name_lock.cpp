#include "name_lock.hpp"

#include <sys/sem.h>
#include <unistd.h>

#include <cerrno>
#include <polyio/base/timespec.hpp>

#include "segment_header.hpp"

namespace polyio::ipc {
namespace {

constexpr key_t key_of_ours = 0x706c0000;  // and 16 bits of the user and the name

}  // namespace

key_t key_of(std::string_view name, uid_t user) noexcept {
  const std::uint64_t hash = (hash_of(name) ^ user) * 0x9e3779b97f4a7c15;
  return key_of_ours | static_cast<key_t>(hash >> 48);
}

// A semaphore begins with 0: free. It may go between any two calls here, with its last owner: then
// the number is no one's (EINVAL) or has just been removed (EIDRM), and the next turn makes
// another.
Result<NameLock> NameLock::take(std::string_view name, Deadline deadline) {
  const key_t key = key_of(name, ::geteuid());
  for (;;) {
    const int number = ::semget(key, 1, IPC_CREAT | 0600);
    if (number < 0) return fail(errno);
    sembuf take_it[] = {{0, 0, 0}, {0, 1, SEM_UNDO}};  // once it is 0, raise it
    const TimePoint now = monotonic_now();
    const timespec left = to_timespec(deadline > now ? deadline - now : Nanoseconds::zero());
    if (::semtimedop(number, take_it, 2, &left) == 0) return NameLock(number);
    if (errno == EAGAIN) return fail(EBUSY);
    if (errno != EINTR && errno != EIDRM && errno != EINVAL) return fail(errno);
    if (monotonic_now() >= deadline) return fail(EBUSY);
  }
}

// Those that wait are woken by that.
NameLock::~NameLock() {
  if (number_ >= 0) (void)::semctl(number_, 0, IPC_RMID);
}

}  // namespace polyio::ipc
