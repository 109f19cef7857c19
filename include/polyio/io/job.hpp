// Job: a task that was spawned, with all it needs while it waits: its Op, its place in the ready
// queue and the cancel scope it is in. Made by TaskGroup::spawn and Io::run, freed by the Io when
// the task has ended.
#pragma once

#include <atomic>
#include <polyio/base/list.hpp>
#include <polyio/coro/frame_pool.hpp>
#include <polyio/coro/task.hpp>
#include <polyio/io/op.hpp>

namespace polyio {

class CancelScope;
class Io;
class TaskGroup;
struct ReadyTag;
struct ScopeTag;
struct Turn;

class Job final : public Op, public ListNode<ReadyTag>, public ListNode<ScopeTag> {
 public:
  static void* operator new(std::size_t size) { return frame_allocate(size); }
  static void operator delete(void* job, std::size_t size) noexcept { frame_free(job, size); }

  // nullptr when there is no memory; the task is then left where it was.
  static Job* make(Io& owner, Task<>&& work) {
    try {
      return new Job(owner, std::move(work));
    } catch (const std::bad_alloc&) {
      return nullptr;
    }
  }

  explicit Job(Io& owner, Task<> work) noexcept : io(owner), task(std::move(work)) {
    resume = task.handle();
  }

  Io& io;
  Task<> task;
  CancelScope* scope = nullptr;       // the innermost it is in
  TaskGroup* group = nullptr;         // waits for its end; none: Io::run does
  Turn* turn = nullptr;               // its place in the order that a policy gives, if one does
  Job* next_unparked = nullptr;       // in its Io's inbox
  std::atomic<bool> in_inbox{false};  // an unpark from another thread is on its way
  bool permit = false;                // an unpark that came before its park
  // The descriptor of the connection this job serves, for the watchdog's report; -1: none. Jobs it
  // spawns have it, too. After the job has closed its connection, the number may be another's.
  int serves = -1;
};

inline Job& job_of(Op& op) noexcept { return static_cast<Job&>(op); }

}  // namespace polyio
