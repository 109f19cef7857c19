// PosixAioDriver: the completion model over POSIX AIO (aio(7)): receives and sends are handed to
// glibc's helper threads as aio_read(3) and aio_write(3), and each tells of its end by a signal.
// POSIX AIO knows no accept, connect, recvfrom and sendto: those wait in the loop's one ppoll(2).
// The rules: a read in flight can't be taken back, so it fills a buffer of ours and outlives the
// receive that wanted it; a write in flight ends by itself in bounded time; a slot's descriptors
// are closed only after its last completion. docs/posix-aio.md says what all this costs.
#pragma once

#include <poll.h>

#include <csignal>
#include <polyio/io/io.hpp>
#include <string>
#include <vector>

#include "aio_requests.hpp"
#include "buffer_pool.hpp"
#include "socket_driver.hpp"

namespace polyio {

// Has one aio_read(3) done and waits for its signal. Empty: it works; else why not. Leaves no
// helper thread and no handler behind.
std::string probe_posix_aio();

class PosixAioDriver final : public SocketDriver {
 public:
  // Takes the signal. Throws std::system_error when it is in use or no descriptor is left.
  PosixAioDriver();
  ~PosixAioDriver() override;

  std::string_view name() const noexcept override { return "posix-aio"; }
  // Errors: EUSERS, the process has as many connections as it may have helper threads.
  Result<Handle> adopt(int socket) override;
  Result<Handle> adopt_listener(int socket, bool shared) override;
  Result<Handle> watch(int fd) override;
  Result<os::UniqueFd> release(Handle handle) override;
  void close(Handle handle) noexcept override;
  int descriptor(Handle handle) const noexcept override { return slot_of(handle).fd; }
  bool quiet(Handle handle) override;
  bool start(Op& op) override;
  bool retry(Op& op) override;
  void cancel(Op& op) override;
  void poll(Deadline deadline) override;
  void wake() noexcept override { mailbox_.wake(); }
  void give_back(std::uint32_t buffer) noexcept override;
  // The signal is blocked in the Io's thread, but for its waits.
  void enter() override;
  // Sees what was closed to its end.
  void leave() noexcept override;

 private:
  static constexpr std::uint32_t none = UINT32_MAX;

  struct Slot {
    int fd = -1;
    int second_fd = -1;  // a duplicate: requests on one descriptor wait for each other
    std::uint32_t generation = 0;
    std::uint32_t permit = none;
    Op* reader = nullptr;                           // receive, receive_from, accept, ready
    Op* writer = nullptr;                           // send, send_to, connect
    std::uint32_t read_buffer = BufferPool::none;   // of the read in flight, or of what it brought
    std::uint32_t write_buffer = BufferPool::none;  // of the write in flight, if it gathers
    std::uint32_t piece_at = 0, piece_size = 0;     // brought and not yet asked for
    std::uint32_t polled = 0;                       // place in polled_; 0: none
    int error = 0;                                  // what receiving ended with
    bool reading = false, writing = false;          // a request is in flight
    bool ended = false;                             // the peer has finished
    bool closing = false;
    bool limited = false;  // a write may take so long (SO_SNDTIMEO)
  };

  Slot& slot_of(Handle handle) noexcept;
  const Slot& slot_of(Handle handle) const noexcept;
  Handle open_slot(os::UniqueFd fd);
  Result<std::uint32_t> take_permit() noexcept;
  void finish_close(std::uint32_t index) noexcept;
  static bool finish(Slot& slot, Op& op, std::int64_t result) noexcept;

  // Requests (posix_aio_requests.cpp)
  aio::Request& request_of(Slot& slot, bool writes) noexcept;
  int spare_descriptor(Slot& slot, bool writes) noexcept;
  bool start_receive(Slot& slot, Op& op);
  int submit_read(std::uint32_t index, Slot& slot);
  std::int64_t deliver(Slot& slot, Op& op) noexcept;
  void drop_piece(Slot& slot) noexcept;
  bool start_send(Slot& slot, Op& op);
  bool submit_write(Slot& slot, Op& op);
  std::span<const std::byte> next_to_write(Slot& slot, const Op& op);
  bool send_by_hand(Slot& slot, Op& op);
  void cancel_receive(Slot& slot, Op& op);
  void completed(aio::Request& request);
  void on_read(std::uint32_t index, Slot& slot, std::int64_t result);
  void on_write(Slot& slot, std::int64_t result);

  // Readiness (posix_aio_waits.cpp)
  bool perform(Slot& slot, Op& op);
  bool accept(Slot& slot, Op& op);
  bool connect(Slot& slot, Op& op);
  bool receive_from(Slot& slot, Op& op);
  bool send_to(Slot& slot, Op& op);
  bool ready(Slot& slot, Op& op);
  bool wait_for(Slot& slot, Op& op, short direction);
  void set_polled(std::uint32_t index, short events);
  void stop_waiting(Slot& slot, short direction);
  void told(std::size_t place);
  void wait(Deadline deadline) noexcept;
  void sleep(const timespec* timeout) noexcept;
  bool collect();
  void collect_all() noexcept;
  void look_after() noexcept;
  void look_after(aio::Request& request) noexcept;

  const aio::SignalTaken signal_;
  aio::Mailbox mailbox_;
  aio::Connections& connections_ = aio::Connections::instance();
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_slots_;
  std::vector<pollfd> polled_;               // the mailbox first
  std::vector<std::uint32_t> polled_slots_;  // whose they are
  BufferPool buffers_{BufferPool::none};     // bounded by connections and lent_
  std::size_t lent_ = 0;                     // buffers that leases hold
  List<Job, ReadyTag> starved_;              // receives that wait for one
  std::size_t in_flight_ = 0;
  TimePoint next_look_ = TimePoint::min();
  sigset_t outside_{};  // the thread's signal mask before enter()
  sigset_t while_waiting_{};
};

}  // namespace polyio
