#include <cerrno>

#include "state.hpp"

namespace polyio {

SimDriver::SimDriver(const SimOptions& options)
    : state_(std::make_shared<State>(*this, options)), own_(std::make_unique<Own>(options)) {}
SimDriver::SimDriver(std::shared_ptr<State> state)
    : state_(std::move(state)), own_(std::make_unique<Own>(state_->world.options)) {}
SimDriver::~SimDriver() = default;

std::unique_ptr<SimDriver> SimDriver::another() const {
  return std::unique_ptr<SimDriver>(new SimDriver(state_));
}

// --- operations ---

bool SimDriver::start(Op& op) {
  State& s = *state_;
  State::Wait& wait = s.wait_of(op);
  POLYIO_ASSERT(!wait.op);
  const bool at_once = s.world.draw(s.world.options.inline_completion);
  if (op.kind == OpKind::connect && !std::exchange(op.moved, 1)) {
    s.network.connect(op.handle, *static_cast<const os::Address*>(op.address), at_once);
  }
  wait = {&op, ++s.serial, false, false};
  ++s.in_flight;
  if (at_once && s.attempt(wait)) return true;
  s.schedule(wait);
  return false;
}

bool SimDriver::retry(Op& op) {
  State& s = *state_;
  State::Wait& wait = s.wait_of(op);
  if (wait.op != &op) return start(op);
  if (!s.world.draw(s.world.options.spurious_ready) && s.attempt(wait)) return true;
  s.schedule(wait);
  return false;
}

void SimDriver::cancel(Op& op) {
  State& s = *state_;
  State::Wait& wait = s.wait_of(op);
  POLYIO_ASSERT(wait.op == &op);
  const auto& options = s.world.options;
  s.world.note(SimNote::cancel, op.handle.slot, State::direction_of(op.kind));
  (void)s.buffers().forget(op);
  if (s.world.draw(options.success_wins) && s.network.ready(op.handle, op.kind) &&
      s.attempt(wait)) {
    return io().complete(op, op.result);
  }
  (void)s.buffers().forget(op);  // the attempt may have begun to wait again
  if (s.world.draw(options.late_cancel)) {
    wait.cancelling = true;
    return s.push(SimEventKind::cancel, wait, s.world.now + s.world.latency());
  }
  s.end(wait, -ECANCELED);
  io().complete(op, -ECANCELED);
}

// --- buffers ---

void SimDriver::give_back(std::uint32_t buffer) noexcept { own_->buffers.give_back(buffer); }
LeaseCounts SimDriver::leases() const noexcept { return own_->buffers.counts(); }

// --- time ---

void SimDriver::poll(Deadline deadline) {
  State& s = *state_;
  if (++s.turns > s.world.options.max_turns) return s.stuck("no end in sight after all turns");
  s.settle();
  if (!s.wait_for_event(deadline)) return s.stuck("nothing can ever happen any more");
  while (s.world.events.next() <= s.world.now) {
    s.handle(s.world.events.pop());
    s.settle();
  }
  s.finish_ripe();
  s.startle();
}

void SimDriver::wake() noexcept { state_->woken = true; }
TimePoint SimDriver::now() noexcept { return state_->world.now; }

// --- sockets ---

Result<Handle> SimDriver::listen(const os::Address& address, int backlog) {
  return state_->network.listen(address, backlog);
}

Result<Handle> SimDriver::open(int family) {
  if (family != AF_INET && family != AF_INET6) return fail(EAFNOSUPPORT);
  return state_->network.open();
}

Result<Handle> SimDriver::adopt(int socket) { return state_->network.adopt(socket); }

Result<os::UniqueFd> SimDriver::release(Handle handle) {
  close(handle);
  return fail(EOPNOTSUPP);
}

void SimDriver::close(Handle handle) noexcept {
  for (const std::size_t direction : {sim_in, sim_out}) {
    POLYIO_ASSERT(!state_->wait_of(handle.slot, direction).op);
  }
  state_->network.close(handle);
}

Result<> SimDriver::shutdown(Handle handle, int how) {
  return state_->network.shutdown(handle, how);
}
Result<os::Address> SimDriver::local_address(Handle handle) {
  return state_->network.local_address(handle);
}
std::size_t SimDriver::send_now(Handle handle, std::span<const std::byte> bytes) noexcept {
  std::size_t sent = 0;
  for (std::int64_t count = 1; sent < bytes.size() && count > 0;) {
    count = state_->network.send(handle, bytes.subspan(sent));
    sent += static_cast<std::size_t>(std::max<std::int64_t>(count, 0));
  }
  return sent;
}
bool SimDriver::quiet(Handle handle) { return !state_->network.ready(handle, OpKind::receive); }

Result<os::Address> SimDriver::peer_address(Handle handle) {
  return state_->network.peer_address(handle);
}

// --- for oracles ---

const SimOptions& SimDriver::options() const noexcept { return state_->world.options; }
std::size_t SimDriver::open_handles() const noexcept { return state_->network.open_sockets(); }
std::size_t SimDriver::ops_in_flight() const noexcept { return state_->in_flight; }
bool SimDriver::was_reset(const os::Address& client) const noexcept {
  return state_->network.was_reset(client);
}
void SimDriver::reset_connection(const os::Address& client) {
  state_->network.inject_reset(client);
}
std::uint64_t SimDriver::trace_hash() const noexcept { return state_->world.trace.hash(); }
void SimDriver::set_trace(std::move_only_function<void(const std::string&)> line) {
  state_->world.trace.sink = std::move(line);
}
void SimDriver::set_deadlock_handler(std::move_only_function<void(const std::string&)> handler) {
  state_->on_deadlock = std::move(handler);
}

}  // namespace polyio
