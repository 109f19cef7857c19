// The table of this process's children, and what reaps them: a SIGCHLD handler, because a thread
// would make fork impossible. The rule that lets a handler use a table: every access holds one spin
// lock with all signals blocked, and under it nothing waits and nothing is allocated, so a handler
// waits at most for another thread's few instructions and never for its own. Children not in the
// table (os::fork_child's, the user's own) are not reaped here.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <memory>
#include <polyio/base/list.hpp>
#include <polyio/os/unique_fd.hpp>
#include <polyio/process/process.hpp>
#include <string>
#include <vector>

namespace polyio::process::detail {

struct AllTag;
struct BucketTag;

// One child; made by start(), reached by its Process and, until it has ended, by the table.
struct Child : ListNode<AllTag>, ListNode<BucketTag> {
  pid_t pid = 0;
  int pidfd = -1;    // closed once it has ended and is not polled
  pid_t parent = 0;  // the process that started it
  bool daemon = false;
  bool owned = true;  // a Process refers to it
  bool ended = false;
  int code = 0;           // exitcode(), once it has ended
  unsigned watchers = 0;  // polls of `pidfd` under way
  std::shared_ptr<const std::string> name;
};
using OwnedChild = std::unique_ptr<Child, ChildDeleter>;

// Once per process: the handler, what runs at the end and at a fork. SIGCHLD is not blocked in the
// calling thread from now on. Throws std::system_error.
void prepare_children();
// Takes it over from now on; it is reaped whatever becomes of its Process.
void add_child(Child& child) noexcept;
// Has it ended? Reaps it if so.
bool has_ended(Child& child) noexcept;
// The pidfd kept open, -1 when it has ended; each call needs its end_watch().
int begin_watch(Child& child) noexcept;
void end_watch(Child& child) noexcept;
void send_signal(Child& child, int number) noexcept;
// Waits. Errors: timed_out.
Result<> wait_for(Child& child, Deadline deadline);
// Reaps what has ended and frees what no Process refers to.
void sweep_children() noexcept;
std::vector<Active> list_children();
// Ends the daemons, waits for the others: at the end of the process.
void end_children() noexcept;

// --- the parts that fork and spawn have in common ---

OwnedChild make_child(const Options& options);
// The table has it from now on.
void adopt(Child& child, pid_t pid, os::UniqueFd pidfd) noexcept;
// Until `handshake` is readable (a byte, or the end of file), or the child has ended.
Result<> wait_until_up(Child& child, int handshake);
// Starts this program again, with `target` to run, and waits until it is up.
Result<> spawn(Child& child, const Options& options, const Target& target);

}  // namespace polyio::process::detail
