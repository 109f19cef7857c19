// SimDriver: another one in its place. The network is the same; the operations are started anew,
// and some sockets turn out to have been received from or accepted on ahead, as with io_uring.
#include <algorithm>
#include <cstring>

#include "state.hpp"

namespace polyio {

Result<std::vector<OpenHandle>> SimDriver::handles() { return state_->network.handles(); }

Result<> SimDriver::make_room(std::span<const OpenHandle> handles) {
  const bool ours = std::ranges::all_of(handles, [&](const OpenHandle& one) {
    return one.simulated && state_->network.is_open(one.handle);
  });
  if (!ours) return fail(EOPNOTSUPP);
  return {};
}

void SimDriver::take_over(std::span<const OpenHandle>) noexcept { state_->driver = this; }

void SimDriver::leave() noexcept {
  State& s = *state_;
  own_->buffers.wake_all();
  for (auto& both : s.waits) {
    for (State::Wait& wait : both) {
      if (!wait.op) continue;
      Op& op = *std::exchange(wait.op, nullptr);
      --s.in_flight;
      if (op.state != OpState::pending) continue;  // it has been made ready already
      wait.cancelling ? io().complete(op, -ECANCELED) : io().make_ready(op);
    }
  }
  for (const OpenHandle& one : s.network.handles()) {
    while (s.world.draw(s.world.options.ahead) && s.take_ahead(one, *own_)) {
    }
  }
}

// False: nothing more is there, or no buffer.
bool SimDriver::State::take_ahead(const OpenHandle& from, Own& own) {
  const Handle handle = from.handle;
  if (from.kind == OpenHandle::Kind::listener) {
    const std::int64_t socket = network.accept(handle);
    if (socket >= 0) own.ahead.push_back({handle, socket, {}});
    return socket >= 0;
  }
  if (!network.ready(handle, OpKind::receive)) return false;
  const LeasePool::Buffer buffer = own.buffers.take(handle, io());
  if (!buffer.data) return false;
  const std::int64_t count = network.receive(handle, {buffer.data, buffer.size});
  if (count <= 0) own.buffers.give_back(buffer.id);
  if (count > 0) own.ahead.push_back({handle, count, buffer});
  if (count < 0 && count != -ENOTCONN) own.ahead.push_back({handle, count, {}});
  return count > 0;
}

bool SimDriver::deliver_ahead(Op& op) noexcept {
  const auto place = std::ranges::find(own_->ahead, op.handle, &Own::Ahead::handle);
  if (place == own_->ahead.end()) return false;
  Own::Ahead& first = *place;
  const bool lent = op.kind == OpKind::receive && op.leases && first.buffer.data;
  if (lent) {
    op.data = first.buffer.data;
    op.buffer = first.buffer.id;
    op.result = first.result;
  } else if (first.buffer.data) {
    const std::size_t left = static_cast<std::size_t>(first.result) - first.at;
    const std::size_t count = std::min(op.size, left);
    std::memcpy(op.data, first.buffer.data + first.at, count);
    first.at += count;
    op.result = static_cast<std::int64_t>(count);
    if (count < left) return true;
    own_->buffers.give_back(first.buffer.id);
  } else {
    op.result = first.result;
  }
  own_->ahead.erase(place);
  return true;
}

bool SimDriver::has_ahead(Handle handle) const noexcept {
  return std::ranges::find(own_->ahead, handle, &Own::Ahead::handle) != own_->ahead.end();
}

bool SimDriver::has_ahead() const noexcept { return !own_->ahead.empty(); }

void SimDriver::drop_ahead(Handle handle) noexcept {
  std::erase_if(own_->ahead, [&](const Own::Ahead& one) {
    if (!(one.handle == handle)) return false;
    if (one.buffer.data) {
      own_->buffers.give_back(one.buffer.id);
    } else if (one.result >= 0) {
      const auto accepted = state_->network.adopt(static_cast<int>(one.result));
      if (accepted) state_->network.close(*accepted);
    }
    return true;
  });
}

}  // namespace polyio
