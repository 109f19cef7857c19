// ReadinessDriver: the I/O models that wait until a call would not block and then make it, over any
// Selector; posix-aio does so for all but its receives. The rule: try first, and ask the selector
// only after EAGAIN. System calls of an echo, per turn: 1 wait for all, then recv and send per
// message; the interest of a descriptor is changed only when it changes. A short read means
// drained: the next receive waits without trying.
#pragma once

#include <array>
#include <polyio/base/slots.hpp>
#include <polyio/io/lease_pool.hpp>
#include <polyio/os/wakeup.hpp>
#include <polyio/selectors/selector.hpp>
#include <vector>

#include "socket_driver.hpp"

namespace polyio {

class ReadinessDriver : public SocketDriver {
 public:
  // `mode` is how its connections are, `leases` how many large buffers there are. Throws
  // std::system_error when no descriptor is left.
  ReadinessDriver(std::unique_ptr<Selector> selector, std::uint32_t leases,
                  os::Blocking mode = os::Blocking::no);
  ~ReadinessDriver() override;

  std::string_view name() const noexcept override { return selector_->name(); }
  Result<Handle> adopt(int socket) override;
  Result<Handle> adopt_listener(int socket, bool shared) override;
  Result<Handle> adopt_descriptor(int fd) override;
  bool stop_accepting(Handle handle) noexcept override;
  Result<Handle> watch(int fd) override;
  Result<os::UniqueFd> release(Handle handle) override;
  void close(Handle handle) noexcept override;
  Result<> shutdown(Handle handle, int how) override;
  int descriptor(Handle handle) const noexcept override;
  bool start(Op& op) override;
  bool retry(Op& op) override;
  void cancel(Op& op) override;
  void poll(Deadline deadline) override;
  void wake() noexcept override { wakeup_.signal(); }
  void give_back(std::uint32_t buffer) noexcept override { buffers_.give_back(buffer); }
  LeaseCounts leases() const noexcept override { return buffers_.counts(); }
  Result<std::vector<OpenHandle>> handles() override;
  Result<> make_room(std::span<const OpenHandle> handles) override;
  void leave() noexcept override;
  void take_over(std::span<const OpenHandle> handles) noexcept override;

 protected:
  // The slot of a descriptor, taken over as it is. Errors: EOVERFLOW, too large for the selector;
  // it is closed then.
  Result<Handle> open_slot(os::UniqueFd fd, OpenHandle::Kind kind = OpenHandle::Kind::socket);
  Handle handle_of(int fd) const noexcept;
  // Ends the handle.
  os::UniqueFd detach(Handle handle) noexcept;
  static bool finish(Op& op, std::int64_t result) noexcept;
  // Calls on_wakeup() when `fd` is readable, from now on.
  void add_wakeup(int fd);
  virtual void on_wakeup(int fd) noexcept;
  os::Wakeup& wakeup() noexcept { return wakeup_; }

  LeasePool buffers_;

 private:
  using Kind = OpenHandle::Kind;
  // After stop_accepting() a listener is looked at once more, without waiting.
  enum class Accepts : std::uint8_t { always, once_more, none };
  // One per descriptor number: slot and descriptor are the same.
  struct Slot {
    Op* reader = nullptr;  // waits for readability: receive, accept, ready
    Op* writer = nullptr;  // waits for writability: send, connect
    Events interest = 0;
    Kind kind = Kind::socket;
    Accepts accepts = Accepts::always;
    bool may_read = true;  // worth a try
    // A listener that others share: a connection may wake this one only.
    bool exclusive() const noexcept { return kind == Kind::shared_listener; }
  };

  Slot& slot_of(Handle handle) noexcept;
  static int fd_of(const Op& op) noexcept { return static_cast<int>(op.handle.slot); }
  bool perform(Slot& slot, Op& op);
  bool receive(Slot& slot, Op& op);
  bool send(Slot& slot, Op& op);
  bool accept(Slot& slot, Op& op);
  bool connect(Slot& slot, Op& op);
  bool receive_from(Slot& slot, Op& op);
  bool send_to(Slot& slot, Op& op);
  bool ready(Slot& slot, Op& op);
  bool wait_for(Slot& slot, Op& op, Events direction);
  int set_interest(std::uint32_t fd, Slot& slot, Events interest) noexcept;
  void leave_rivals() noexcept;
  void on_event(const SelectorEvent& event);

  std::unique_ptr<Selector> selector_;
  const bool edge_;
  os::Wakeup wakeup_;
  std::array<SelectorEvent, 256> events_;  // of one wait
  Slots<Slot> slots_;
  std::vector<std::uint32_t> exclusive_;  // their descriptors
};

}  // namespace polyio
