// BlockingDriver: the model in which a call waits in place (recv(2), send(2), accept(2) on blocking
// sockets). No coroutine is ever suspended: a spawned task is lent a thread of its own. The rule:
// the threads of one Io pass a baton, and only its holder runs jobs; it is put down around every
// system call. System calls of an echo: recv and send, nothing else. A waiting receive holds a
// buffer, of which only touched pages cost memory.
//
// A thread inside a system call is got out of it, for a cancel, by SIGURG, again each millisecond
// until it has seen it, because a signal may come just before the call. Timers, and work posted
// from other threads while every thread of the Io is inside a call, are the timekeeper's: one
// thread for all blocking drivers.
#pragma once

#include <pthread.h>

#include <atomic>
#include <list>
#include <mutex>
#include <polyio/base/slots.hpp>
#include <polyio/io/io.hpp>
#include <polyio/os/thread.hpp>
#include <semaphore>
#include <vector>

#include "buffer_pool.hpp"
#include "socket_driver.hpp"

namespace polyio {

// A thread inside a system call, on its stack.
struct BlockedTag;
struct BlockedCall : ListNode<BlockedTag> {
  explicit BlockedCall(pthread_t blocked) noexcept : thread(blocked) {}
  pthread_t thread;
  std::atomic<bool> interrupted{false};
  bool nagged = false;  // the timekeeper knows of it; the baton guards it
};

class BlockingDriver final : public SocketDriver {
 public:
  BlockingDriver();
  ~BlockingDriver() override;
  void retire() noexcept override;

  std::string_view name() const noexcept override { return "blocking"; }
  Result<Handle> adopt(int socket) override;
  Result<Handle> watch(int fd) override;
  Result<os::UniqueFd> release(Handle handle) override;
  void close(Handle handle) noexcept override { (void)release(handle); }
  int descriptor(Handle handle) const noexcept override;
  bool start(Op& op) override;
  void cancel(Op& op) override;
  void poll(Deadline) override {}
  void wake() noexcept override;
  void give_back(std::uint32_t buffer) noexcept override { buffers_.give_back(buffer); }

  bool blocks() const noexcept override { return true; }
  void wait_in_place(Op& op) override;
  void notify(Op& op) noexcept override;
  Result<> lend_thread(Job& job) override;
  void lend_no_threads() noexcept override { lends_ = false; }
  void enter() override { baton_.lock(); }
  void leave() noexcept override;
  void timer_moved(Deadline deadline) noexcept override;
  // The timekeeper's call: does what is due, unless the baton's holder will.
  void serve() noexcept;

 private:
  struct Lent {
    os::Thread thread;
    std::atomic<bool> ended{false};
  };

  Handle open_slot(os::UniqueFd fd);
  std::int64_t perform(Op& op, int fd, const BlockedCall& call, bool draining) noexcept;
  void reap_threads();

  std::mutex baton_;
  std::atomic<bool> service_wanted_{false};
  Slots<os::UniqueFd> slots_;
  BufferPool buffers_{
      BufferPool::none};  // each waiting receive holds one: the threads are the limit
  std::list<Lent> lent_;
  bool lends_ = true;
};

}  // namespace polyio
