// UringDriver: the completion model over io_uring: operations are handed to the kernel, results are
// collected. Per turn of the loop there is one io_uring_enter(2), which submits all that was
// started and reaps. Receives and accepts are multishot: one request serves a connection for as
// long as its handler asks. Bytes that no receive has asked for are queued up to a limit; past it
// the request is cancelled until the next receive. While buffers are short, a request is for one
// receive. The rule: a slot's descriptor is closed only after its last request's terminal
// completion.
#pragma once

#include <liburing.h>

#include <deque>
#include <polyio/base/slots.hpp>
#include <polyio/io/io.hpp>
#include <polyio/os/wakeup.hpp>
#include <vector>

#include "piece_queue.hpp"
#include "socket_driver.hpp"
#include "uring_buffers.hpp"

namespace polyio {

// Sets up a ring as UringDriver needs it and moves bytes through it. Empty: it works; else why not.
std::string probe_io_uring();

class UringDriver final : public SocketDriver {
 public:
  // Opens the ring, for whichever thread attaches. `leases`: how many large buffers there are;
  // `small`: for one connection. Throws std::system_error when none can be had.
  explicit UringDriver(std::uint32_t leases, bool small = false);
  ~UringDriver() override;

  std::string_view name() const noexcept override { return "io_uring"; }
  Result<Handle> adopt(int socket) override;
  Result<Handle> adopt_listener(int socket, bool shared) override;
  Result<Handle> adopt_descriptor(int fd) override;
  Result<Handle> watch(int fd) override;
  bool stop_accepting(Handle handle) noexcept override;
  Result<os::UniqueFd> release(Handle handle) override;
  void close(Handle handle) noexcept override;
  bool quiet(Handle handle) override;
  int descriptor(Handle handle) const noexcept override {
    (void)slot_of(handle);
    return static_cast<int>(handle.slot);
  }
  bool start(Op& op) override;
  bool retry(Op& op) override { return start(op); }
  void cancel(Op& op) override;
  void poll(Deadline deadline) override;
  void wake() noexcept override { wakeup_.signal(); }
  void give_back(std::uint32_t buffer) noexcept override { buffers_.give_back(buffer); }
  LeaseCounts leases() const noexcept override {
    return {buffers_.large_held(), buffers_.own().lent() - buffers_.copies()};
  }
  // Sets the ring up in the thread that runs the Io (IORING_SETUP_SINGLE_ISSUER). Throws
  // std::system_error when the kernel refuses.
  void attach_thread() override;
  // Sees what was closed to its end: another thread may destroy the driver, which can't.
  void detach_thread() noexcept override;
  Result<std::vector<OpenHandle>> handles() override;
  Result<> make_room(std::span<const OpenHandle> handles) override;
  void leave() noexcept override;
  void take_over(std::span<const OpenHandle> handles) noexcept override;
  bool deliver_ahead(Op& op) noexcept override;
  bool has_ahead(Handle handle) const noexcept override {
    return slots_.holds(handle.slot, handle.generation);
  }
  bool has_ahead() const noexcept override { return open_ > 0; }
  void drop_ahead(Handle handle) noexcept override;

 private:
  using Kind = OpenHandle::Kind;
  // One per descriptor number: slot and descriptor are the same.
  struct Slot {
    Op* reader = nullptr;        // receive, receive_from, accept or ready
    Op* writer = nullptr;        // send, send_to or connect
    PieceQueue::List pieces;     // received, not yet asked for
    int error = 0;               // what receiving ended with
    std::uint8_t in_flight = 0;  // requests the kernel has
    Kind kind = Kind::socket;
    bool retired = false;     // stop_accepting(): not armed again
    bool armed = false;       // a request to accept or receive is out
    bool polled = false;      // and is still the poll before a read
    bool cancelling = false;  // and shall end
    bool ended = false;       // the peer has finished
    bool closing = false;
    bool starved = false;  // the kernel had no buffer for it; is in starved_

    bool listens() const noexcept { return kind == Kind::listener || one_by_one(); }
    // Accepts so, because others accept on the same socket.
    bool one_by_one() const noexcept { return kind == Kind::shared_listener; }
    // Else it is polled, then read: nothing reads ahead.
    bool is_socket() const noexcept { return kind != Kind::descriptor; }
  };
  enum class Tag : std::uint8_t {
    wakeup,
    accept,
    receive,
    send,
    connect,
    datagram_in,
    datagram_out,
    ready,
    readable,  // before a read of what is no socket
    cancel
  };

  Handle open_slot(os::UniqueFd fd, Kind kind = Kind::socket);
  Slot& slot_of(Handle handle) noexcept;
  const Slot& slot_of(Handle handle) const noexcept;
  // The slot's owner, as far as user_data has room for its generation.
  std::uint64_t owner_of(std::uint32_t index) const noexcept {
    return slots_.generation_of(index) & 0xff'ffff;
  }
  std::uint64_t user_data(std::uint32_t index, Tag tag) const noexcept;
  io_uring_sqe* request(std::uint32_t index, Tag tag) noexcept;
  void request_cancel(std::uint32_t index, Tag tag) noexcept;
  void request_wakeup() noexcept;
  static Tag tag_of_armed(const Slot& slot) noexcept;
  static Tag tag_of(const Op& op) noexcept;
  void arm(std::uint32_t index) noexcept;
  void receive_more(std::uint32_t index, Slot& slot) noexcept;
  void arm_starved() noexcept;
  void end_read_ahead() noexcept;
  void submit_send(Slot& slot, Op& op) noexcept;
  bool start_receive(Slot& slot, Op& op) noexcept;
  bool start_accept(Slot& slot, Op& op) noexcept;
  bool accept_what_waits(std::uint32_t index) noexcept;
  void submit_message(Slot& slot, Op& op) noexcept;
  void submit_ready(Slot& slot, Op& op) noexcept;
  void submit_connect(Slot& slot, Op& op) noexcept;
  bool take_accepted(Op& op) noexcept;
  std::size_t queue_accepted(std::uint32_t listener, os::UniqueFd socket) noexcept;
  void handle(const io_uring_cqe& cqe);
  void on_receive(std::uint32_t index, Slot& slot, const io_uring_cqe& cqe);
  std::byte* copy_from_transit(std::uint32_t index, std::uint32_t& buffer, std::byte* data,
                               std::uint32_t count) noexcept;
  void on_accept(std::uint32_t index, Slot& slot, const io_uring_cqe& cqe);
  void on_send(Slot& slot, int result);
  void on_message(Slot& slot, Op*& place, int result);
  void on_ready(Slot& slot, int result);
  void on_connect(Slot& slot, int result);
  template <class Submit>
  void end_or_submit_again(Op*& place, std::int64_t result, bool interrupted, Submit submit);
  void on_readable(std::uint32_t index, Slot& slot, const io_uring_cqe& cqe);
  void end_armed(std::uint32_t index) noexcept;
  void pause_if_flooded(std::uint32_t index, Slot& slot, std::size_t queued,
                        std::size_t limit) noexcept;
  bool any_closing() const noexcept;
  void finish_close(std::uint32_t index) noexcept;
  void end_requests(std::uint32_t index, const Slot& slot) noexcept;
  std::deque<int>* accepted_on(std::uint32_t listener) noexcept;
  void forget_accepted(std::uint32_t listener) noexcept;
  void end_slot(std::uint32_t index) noexcept;
  bool nothing_ahead(std::uint32_t index) noexcept;
  void wait(Deadline deadline) noexcept;
  void reap();

  io_uring ring_{};
  bool ready_ = false;  // a thread has attached
  os::Wakeup wakeup_;
  UringBuffers buffers_;
  PieceQueue pieces_;
  Slots<Slot> slots_;
  std::size_t open_ = 0;  // of them
  std::vector<std::uint32_t> starved_;
  std::vector<std::pair<std::uint32_t, std::deque<int>>> accepted_;  // by listener's slot
  std::vector<msghdr> messages_;  // one per submission entry: stays valid until it is submitted
  std::size_t in_flight_ = 0;
  bool left_ = false;  // leave(): what is still open has something that came ahead
};

}  // namespace polyio
