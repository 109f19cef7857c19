// SimDriver: an in-memory TCP network and a virtual clock inside one Io, everything drawn from one
// seed, so that tests explore thousands of interleavings in seconds and replay any of them.
// Handlers and clients run as jobs of the same Io. The rule: no pointer, hash order or real clock
// has a say, only errnos that a real kernel gives are given, and unless a connection is reset no
// byte is lost, duplicated or reordered.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <polyio/io/driver.hpp>
#include <stdexcept>
#include <string>

namespace polyio {

// How the simulated network behaves. What is "per mille" is a chance: 0 never, 1000 always. The
// defaults have no faults.
struct SimOptions {
  std::uint64_t seed = 1;
  std::string_view profile = "calm";  // its name, for reports

  // --- how operations end, per mille ---
  // that start() completes immediately when it could
  unsigned inline_completion = 500;
  unsigned readiness = 300;  // one ends by make_ready + retry instead of complete
  // of a spurious readiness event: a retry finds nothing and waits again
  unsigned spurious_ready = 100;
  unsigned short_count = 500;   // a receive, or a step of a send, moves less than it could
  unsigned late_cancel = 300;   // a cancel takes effect only later, and may come too late
  unsigned success_wins = 500;  // a cancelled operation that could end well does
  // of a socket, when another driver takes this one's place: it had received or accepted ahead
  unsigned ahead = 500;

  // --- faults, per mille ---
  unsigned reset = 0;  // per step of a send: the connection is reset
  // a reset discards what had arrived unread, too (RFC 9293; Linux keeps it)
  unsigned reset_discards = 500;
  // EMFILE, ENFILE, ENOBUFS, ENOMEM; with a connection ECONNABORTED as well
  unsigned accept_fault = 0;
  unsigned open_fault = 0;   // EMFILE, ENFILE, ENOBUFS from open()
  unsigned refused = 0;      // a connect ends with ECONNREFUSED though the port is listened on
  unsigned unreachable = 0;  // a connect ends with ETIMEDOUT, after seconds
  unsigned starvation = 0;   // per leased receive: the buffers have run out for a while
  unsigned stall = 0;        // a segment, and all behind it, waits for up to stall_max

  // --- the network ---
  Nanoseconds delay_min{10'000}, delay_max{1'000'000};  // of a segment
  Nanoseconds stall_max{200'000'000};
  Nanoseconds latency_max{50'000};  // from an operation's being possible to its end
  Nanoseconds turn_max{1'000};      // what a poll that does not wait costs
  std::uint32_t window_min = 4'096,
                window_max = 65'536;  // bytes under way and unread, per direction
  std::uint32_t segment_max = 8'192;
  std::uint32_t lease_size = 4'096;
  std::uint32_t lease_limit = 1'024;    // past it a connection gets a sixteenth of lease_size
  std::uint64_t max_turns = 1'000'000;  // polls after which the run counts as endless

  // A profile (calm, bursty or hostile) and its numbers, drawn from `seed`.
  static SimOptions from_seed(std::uint64_t seed);
};

// Nothing can ever happen any more, or the turns have run out. what() names what is waited for. An
// Io whose run() ended with it still has jobs and can't be destroyed: leak it, or set a handler
// that cancels.
class SimDeadlock : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class SimDriver final : public Driver {
 public:
  explicit SimDriver(const SimOptions& options);
  ~SimDriver() override;

  const SimOptions& options() const noexcept;

  // Another driver of the same network, for Io::set_driver. It has leases of its own, and what is
  // asked of one below holds for all of the network.
  std::unique_ptr<SimDriver> another() const;

  // --- for oracles ---
  // Listeners and streams that are open, accepted ones that were not adopted included; 0 at the
  // end.
  std::size_t open_handles() const noexcept;
  // Operations started and not ended.
  std::size_t ops_in_flight() const noexcept;
  // True when the network, by a fault or by reset_connection(), reset the connection that has `end`
  // as its client's address. Stays true after the close. A reset that a close brought about does
  // not count.
  bool was_reset(const os::Address& client) const noexcept;
  // Resets the connection whose client's address this is; both ends notice it after a delay.
  void reset_connection(const os::Address& client);

  // A hash of every external event so far: the same seed and program give the same one.
  std::uint64_t trace_hash() const noexcept;
  // Calls `line` with each event as text, from now on.
  void set_trace(std::move_only_function<void(const std::string& line)> line);
  // Called on a deadlock with its report, from poll(); it makes something happen (cancels the root
  // scope, say) or throws. Without one SimDeadlock is thrown.
  void set_deadlock_handler(std::move_only_function<void(const std::string& report)> handler);

  // --- Driver ---
  std::string_view name() const noexcept override { return "sim"; }
  // Port 0 takes the next free one. Errors: EADDRINUSE, EAFNOSUPPORT.
  Result<Handle> listen(const os::Address& address, int backlog) override;
  Result<Handle> open(int family) override;
  // Takes what accept gave. Errors: EBADF, which a real descriptor is here.
  Result<Handle> adopt(int socket) override;
  // EOPNOTSUPP: there is no descriptor to give. The handle is closed.
  Result<os::UniqueFd> release(Handle handle) override;
  void close(Handle handle) noexcept override;
  Result<> shutdown(Handle handle, int how) override;
  Result<os::Address> local_address(Handle handle) override;
  Result<os::Address> peer_address(Handle handle) override;
  bool quiet(Handle handle) override;
  std::size_t send_now(Handle handle, std::span<const std::byte> bytes) noexcept override;
  bool start(Op& op) override;
  bool retry(Op& op) override;
  void cancel(Op& op) override;
  void poll(Deadline deadline) override;
  void wake() noexcept override;
  // The virtual clock. It begins at one hour.
  TimePoint now() noexcept override;
  void give_back(std::uint32_t buffer) noexcept override;
  LeaseCounts leases() const noexcept override;
  Result<std::vector<OpenHandle>> handles() override;
  // Errors: EOPNOTSUPP, a handle is of another network.
  Result<> make_room(std::span<const OpenHandle> handles) override;
  // Receives and accepts ahead where the seed says so.
  void leave() noexcept override;
  void take_over(std::span<const OpenHandle> handles) noexcept override;
  bool deliver_ahead(Op& op) noexcept override;
  bool has_ahead(Handle handle) const noexcept override;
  bool has_ahead() const noexcept override;
  void drop_ahead(Handle handle) noexcept override;

 private:
  struct State;
  struct Own;
  explicit SimDriver(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;  // the network's
  std::unique_ptr<Own> own_;      // this driver's
};

}  // namespace polyio
