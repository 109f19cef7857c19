// PosixAioDriver: the completion model over POSIX AIO (aio(7)). Receives are handed to glibc's
// helper threads as aio_read(3), and a signal announces the end of each. All else goes by
// readiness, over poll(2): POSIX AIO knows no accept, connect, recvfrom and sendto, and an
// aio_write(3) would hold a helper, and need a second descriptor, for what send(2) does at once.
// The rules: a read in flight can't be taken back, so it fills a buffer of ours and outlives the
// receive that wanted it; a descriptor is closed only after its read's end. docs/posix-aio.md says
// what all this costs.
#pragma once

#include <csignal>
#include <string>
#include <vector>

#include "aio_requests.hpp"
#include "readiness_driver.hpp"

namespace polyio {

// Has one aio_read(3) done and waits for its signal. Empty: it works; else why not. Leaves no
// helper thread and no handler behind.
std::string probe_posix_aio();

class PosixAioDriver final : public ReadinessDriver {
 public:
  // Takes the signal; `leases`: how many large buffers there are. Throws std::system_error when it
  // is in use or no descriptor is left.
  explicit PosixAioDriver(std::uint32_t leases);
  ~PosixAioDriver() override;

  std::string_view name() const noexcept override { return "posix-aio"; }
  // Errors: EUSERS, the process has as many connections as it may have helper threads.
  Result<Handle> adopt(int socket) override;
  Result<os::UniqueFd> release(Handle handle) override;
  void close(Handle handle) noexcept override;
  bool quiet(Handle handle) override;
  bool start(Op& op) override;
  bool retry(Op& op) override;
  void cancel(Op& op) override;
  void poll(Deadline deadline) override;
  // A read that a helper is in can't be taken back.
  Result<std::vector<OpenHandle>> handles() override { return fail(EOPNOTSUPP); }
  Result<> make_room(std::span<const OpenHandle>) override { return fail(EOPNOTSUPP); }
  // The signal is blocked in the Io's thread, where it is read from a signalfd.
  void attach_thread() override;
  // Waits until what was closed has ended.
  void detach_thread() noexcept override;

 private:
  static constexpr std::uint32_t none = UINT32_MAX;

  // What a connection has beside the readiness driver's slot.
  struct Reader {
    std::uint32_t permit = none;     // none: not a connection
    Op* op = nullptr;                // the receive that waits
    std::uint32_t buffer = none;     // of the read in flight, or of what it brought
    std::uint32_t at = 0, size = 0;  // what it brought that no receive has asked for
    int error = 0;                   // what receiving ended with
    bool reading = false;            // a request is in flight
    bool ended = false;              // the peer has finished
    bool closing = false;
  };

  Reader* find(Handle handle) noexcept;
  void forget(Reader& reader) noexcept;
  bool reads(const Op& op) noexcept { return op.kind == OpKind::receive && find(op.handle); }
  bool start_receive(Op& op);
  int submit(Handle handle, Reader& reader) noexcept;
  std::int64_t deliver(Reader& reader, Op& op) noexcept;
  void drop(Reader& reader) noexcept;
  void cancel_receive(Op& op);
  bool settle(Op& op, bool ended) noexcept;
  void completed(aio::Request& request) noexcept;
  void on_read(int fd, Reader& reader, std::int64_t result) noexcept;
  void on_wakeup(int fd) noexcept override;
  void collect() noexcept;
  void look_after() noexcept;

  const aio::SignalTaken signal_;
  aio::Mailbox mailbox_;
  aio::Connections& connections_ = aio::Connections::instance();
  os::UniqueFd signals_;         // a signalfd
  std::vector<Reader> readers_;  // by descriptor
  std::size_t in_flight_ = 0, closing_ = 0;
  TimePoint next_look_ = TimePoint::min();
  sigset_t outside_{};  // the thread's signal mask before attach_thread()
};

}  // namespace polyio
