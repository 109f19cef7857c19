// BlockingDriver: the model in which a call waits in place (recv(2), send(2), accept(2) on blocking
// sockets), on the thread that the Baton gives each job and without the baton. System calls of an
// echo: recv and send, nothing else. A waiting receive holds a buffer, of which only touched pages
// cost memory. For a cancel the timekeeper gets the thread out of its call by SIGURG. Only a
// receive that waits for a buffer does not end in start(): its job sleeps until it is retried.
#pragma once

#include <polyio/base/slots.hpp>
#include <polyio/io/lease_pool.hpp>

#include "baton.hpp"
#include "socket_driver.hpp"
#include "timekeeper.hpp"

namespace polyio {

class BlockingDriver final : public SocketDriver {
 public:
  // `leases`: how many large buffers there are.
  explicit BlockingDriver(std::uint32_t leases) noexcept
      : SocketDriver(os::Blocking::yes), buffers_({.limit = leases}) {}

  std::string_view name() const noexcept override { return "blocking"; }
  std::unique_ptr<Scheduler> make_scheduler() override;
  Result<Handle> adopt(int socket) override;
  Result<Handle> adopt_descriptor(int fd) override;
  Result<Handle> watch(int fd) override;
  Result<os::UniqueFd> release(Handle handle) override;
  void close(Handle handle) noexcept override { (void)release(handle); }
  int descriptor(Handle handle) const noexcept override;
  bool start(Op& op) override;
  bool retry(Op& op) override;
  void cancel(Op& op) override;
  void poll(Deadline) override {}  // operations end on their jobs' threads
  void wake() noexcept override {}
  void give_back(std::uint32_t buffer) noexcept override { buffers_.give_back(buffer); }
  LeaseCounts leases() const noexcept override { return buffers_.counts(); }

 private:
  Handle open_slot(os::UniqueFd fd);
  std::int64_t perform(Op& op, int fd, const BlockedCall& call, bool draining) noexcept;

  Baton* baton_ = nullptr;  // the Io's
  Slots<os::UniqueFd> slots_;
  LeasePool buffers_;  // each waiting receive holds one
};

}  // namespace polyio
