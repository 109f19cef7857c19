// BlockingDriver: the model in which a call waits in place (recv(2), send(2), accept(2) on blocking
// sockets), on the thread that the Baton gives each job and without the baton. System calls of an
// echo: recv and send, nothing else. A waiting receive holds a buffer, of which only touched pages
// cost memory. For a cancel the timekeeper gets the thread out of its call by SIGURG.
#pragma once

#include <polyio/base/slots.hpp>
#include <polyio/io/io.hpp>

#include "baton.hpp"
#include "buffer_pool.hpp"
#include "socket_driver.hpp"
#include "timekeeper.hpp"

namespace polyio {

class BlockingDriver final : public SocketDriver {
 public:
  BlockingDriver() noexcept : SocketDriver(os::Blocking::yes) {}

  std::string_view name() const noexcept override { return "blocking"; }
  std::unique_ptr<Scheduler> make_scheduler() override;
  Result<Handle> adopt(int socket) override;
  Result<Handle> watch(int fd) override;
  Result<os::UniqueFd> release(Handle handle) override;
  void close(Handle handle) noexcept override { (void)release(handle); }
  int descriptor(Handle handle) const noexcept override;
  bool start(Op& op) override;
  void cancel(Op& op) override;
  void poll(Deadline) override {}  // every operation ends in start()
  void wake() noexcept override {}
  void give_back(std::uint32_t buffer) noexcept override { buffers_.give_back(buffer); }

 private:
  Handle open_slot(os::UniqueFd fd);
  std::int64_t perform(Op& op, int fd, const BlockedCall& call, bool draining) noexcept;

  Baton* baton_ = nullptr;  // the Io's
  Slots<os::UniqueFd> slots_;
  // No limit of its own: each waiting receive holds one, so the threads are the limit.
  BufferPool buffers_{BufferPool::none};
};

}  // namespace polyio
