// Driver: one I/O model, how an Io waits. One instance per Io. An operation is started and either
// ends at once or is completed later from poll(), which only collects events and resumes no job.
// The rules: every started operation has exactly one terminal completion, a cancelled one included;
// an event for a handle that has been closed since is dropped; only wake() is called from other
// threads.
#pragma once

#include <cerrno>
#include <memory>
#include <polyio/base/result.hpp>
#include <polyio/io/op.hpp>
#include <polyio/os/address.hpp>
#include <polyio/os/unique_fd.hpp>
#include <span>
#include <string_view>
#include <vector>

namespace polyio {

// Rules of the interface that drivers look after, where a breach would lose an operation.
inline constexpr char one_at_a_time[] =
    "one receive and one send at a time wait on a socket, and one accept on a listener";
inline constexpr char closed_while_used[] =
    "a socket is closed when no task waits on it: cancel the task, or its group, and let it end";

class Io;
class Scheduler;

// Large receive buffers of one driver: io/lease_pool.hpp says what happens past them.
inline constexpr std::uint32_t lease_limit = 1024;

// Receive buffers that are out: held by leases or, under models that read ahead, by what no receive
// has asked for.
struct LeaseCounts {
  std::size_t large = 0;
  std::size_t own = 0;  // small ones, a connection's own, after the large ones had run out
};

// An open handle, for the driver that takes another's place. It stays the same handle: drivers over
// descriptors have the descriptor's number as its slot.
struct OpenHandle {
  enum class Kind : std::uint8_t {
    socket,
    listener,
    shared_listener,  // others accept on it too
    descriptor,       // of another kind: adopt_descriptor()
    watched,
  };
  Handle handle;
  Kind kind = Kind::socket;
  bool stopped = false;    // a listener after stop_accepting()
  bool simulated = false;  // of a simulated network
};

// Owns the buffers that leases lend.
class Lender {
 public:
  // Takes back the buffer of a lease.
  virtual void give_back(std::uint32_t buffer) noexcept = 0;

 protected:
  ~Lender() = default;
};

class Driver : public Lender {
 public:
  virtual ~Driver() = default;
  Driver() = default;
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  // The model's name, as `--model` takes it. Static storage.
  virtual std::string_view name() const noexcept = 0;
  // Called once, by the Io that owns this driver.
  void bind(Io& io) noexcept { io_ = &io; }
  // What runs the Io's jobs under this model: unless overridden, the Loop. Called once, after
  // bind(). Throws std::bad_alloc, and std::system_error when the helper thread it needs can't be
  // had.
  virtual std::unique_ptr<Scheduler> make_scheduler();

  // --- sockets ---
  // A socket listening on `address`. Errors: those of bind(2) and listen(2).
  virtual Result<Handle> listen(const os::Address& address, int backlog) = 0;
  // Takes over a listening socket, best made with os::Blocking::no; the model's own O_NONBLOCK is
  // set here. With `shared` others accept on the same socket, so no connection is accepted before
  // one is asked for. On error the socket is closed.
  virtual Result<Handle> adopt_listener(int socket, bool shared) {
    (void)shared;
    return adopt(socket);
  }
  // No further connection shall be accepted. True: the driver may have accepted some already; each
  // accept hands one out, until one ends with -ECANCELED.
  virtual bool stop_accepting(Handle) noexcept { return false; }
  // A new stream socket, to be connected.
  virtual Result<Handle> open(int family) = 0;
  // A datagram socket bound to `address`. Errors: those of bind(2).
  virtual Result<Handle> bind(const os::Address&) { return fail(EOPNOTSUPP); }
  // Takes over a connected socket: what accept's result holds. On error the socket is closed.
  virtual Result<Handle> adopt(int socket) = 0;
  // Takes over a descriptor of another kind, for receives and sends. On error it is closed. Errors:
  // EPERM, a file or directory, which is never waited for; EOPNOTSUPP, a simulated network.
  virtual Result<Handle> adopt_descriptor(int fd);
  // A handle to wait with, by OpKind::ready, until `fd` is readable, as poll(2) means it: what
  // arrives, the peer's end and errors all count. Any kind of descriptor, pidfds too. It stays the
  // caller's and its flags as they are: the handle has a duplicate. One operation at a time; for
  // several tasks that wait for one descriptor, a handle each. Errors: EBADF, EMFILE; EOPNOTSUPP, a
  // simulated network.
  virtual Result<Handle> watch(int) { return fail(EOPNOTSUPP); }
  // Gives the socket away, for another Io; the handle ends. No operation may be in flight.
  virtual Result<os::UniqueFd> release(Handle handle) = 0;
  // Closes; the handle ends. No operation of a job may be in flight on it.
  virtual void close(Handle handle) noexcept = 0;
  virtual Result<> shutdown(Handle handle, int how) = 0;
  virtual Result<os::Address> local_address(Handle handle) = 0;
  virtual Result<os::Address> peer_address(Handle handle) = 0;
  // The socket's descriptor, for looking only; -1 where there is none (sim).
  virtual int descriptor(Handle) const noexcept { return -1; }
  // True when nothing has arrived that no receive has taken: no byte, no end, no error. Looks
  // without waiting. A driver that reads ahead looks into what it has read, too.
  virtual bool quiet(Handle handle);
  // Sends what the kernel takes without waiting, and gives how many bytes that are. For the last
  // words of a connection; no send is in flight.
  virtual std::size_t send_now(Handle handle, std::span<const std::byte> bytes) noexcept;

  // --- operations ---
  // Begins `op`, of a kind before OpKind::sleep. True: it has ended, op.result holds.
  virtual bool start(Op& op) = 0;
  // For an op in state retry: tries again, or for the first time if another driver had it before.
  // False: it is pending once more.
  virtual bool retry(Op&) { return true; }
  // Asks for the op's end; it ends with -ECANCELED unless it succeeded first.
  virtual void cancel(Op& op) = 0;
  // Waits until something happened, wake() was called or `deadline` passed; completes operations.
  virtual void poll(Deadline deadline) = 0;
  // Makes poll() return soon. Thread-safe.
  virtual void wake() noexcept = 0;
  // The clock that deadlines count on.
  virtual TimePoint now() noexcept { return monotonic_now(); }
  virtual LeaseCounts leases() const noexcept = 0;

  // --- the thread that runs the Io ---
  // That thread calls these first and last in Io::run: for what belongs to a single thread, and to
  // wait for what only that thread can end, since another one may destroy the driver.
  // attach_thread() throws std::system_error when the system refuses.
  virtual void attach_thread() {}
  virtual void detach_thread() noexcept {}

  // --- another driver in this one's place: Io::set_driver ---
  // What is open, for the other. Errors: EOPNOTSUPP, this model can't hand it on.
  virtual Result<std::vector<OpenHandle>> handles() { return fail(EOPNOTSUPP); }
  // So that take_over() can't fail; before anything is changed. Errors: EOPNOTSUPP, this model
  // can't take them; EOVERFLOW, its descriptors are not as large. Throws std::bad_alloc.
  virtual Result<> make_room(std::span<const OpenHandle>) { return fail(EOPNOTSUPP); }
  // The end as the Io's driver: the handles are another's from now on, and every operation that has
  // not ended is made ready (Io::make_ready), for the other to start. Returns once nothing is in
  // flight. Then this driver waits for its leases only, and keeps what it has received and accepted
  // ahead until it is asked for.
  virtual void leave() noexcept {}
  // Begins where the other one left.
  virtual void take_over(std::span<const OpenHandle>) noexcept {}
  // After leave(): ends a receive or an accept with what came ahead of it. False: there is nothing.
  virtual bool deliver_ahead(Op&) noexcept { return false; }
  // And whether there is anything, of that handle or of any.
  virtual bool has_ahead(Handle) const noexcept { return false; }
  virtual bool has_ahead() const noexcept { return false; }
  // Drops it: the handle is closed.
  virtual void drop_ahead(Handle) noexcept {}

 protected:
  Io& io() const noexcept { return *io_; }

 private:
  Io* io_ = nullptr;
};

}  // namespace polyio
