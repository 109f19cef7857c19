// UringDriver: another driver in this one's place, or this one in another's. What the kernel has is
// cancelled and waited for, so that no byte is in two hands; what it had brought by then stays here
// until it is asked for.
#include <utility>

#include "uring_driver.hpp"

namespace polyio {

Result<std::vector<OpenHandle>> UringDriver::handles() {
  std::vector<OpenHandle> all;
  all.reserve(open_);
  for (std::uint32_t index = 0; index < slots_.size(); ++index) {
    if (!slots_.taken(index) || slots_[index].closing) continue;
    const Slot& slot = slots_[index];
    all.push_back({{index, slots_.generation_of(index)}, slot.kind, slot.retired});
  }
  return all;
}

Result<> UringDriver::make_room(std::span<const OpenHandle> handles) {
  for (const OpenHandle& one : handles) {
    if (one.simulated) return fail(EOPNOTSUPP);
    slots_.make_room(one.handle.slot);
  }
  starved_.reserve(handles.size());
  return {};
}

// The kernel works blocking sockets, or it would answer EAGAIN instead of waiting.
void UringDriver::take_over(std::span<const OpenHandle> handles) noexcept {
  for (const OpenHandle& one : handles) {
    const std::uint32_t index = one.handle.slot;
    slots_.take_as(index, one.handle.generation);
    slots_[index].kind = one.kind;
    slots_[index].retired = one.stopped;
    ++open_;
    if (one.kind != Kind::watched) (void)os::set_nonblocking(static_cast<int>(index), false);
  }
}

void UringDriver::end_requests(std::uint32_t index, const Slot& slot) noexcept {
  if (slot.armed && !slot.cancelling) end_armed(index);
  for (Op* const op : {slot.reader, slot.writer}) {
    // Receives and accepts have no request but the armed one.
    const bool own = op && op->kind != OpKind::receive && op->kind != OpKind::accept;
    if (own && !op->cancel_requested) request_cancel(index, tag_of(*op));
  }
}

void UringDriver::leave() noexcept {
  left_ = true;
  for (std::uint32_t index = 0; index < slots_.size(); ++index) {
    if (slots_.taken(index) && !slots_[index].closing) end_requests(index, slots_[index]);
  }
  while (in_flight_ > 0) {
    wait(never);
    reap();
  }
  buffers_.own().wake_all();
  starved_.clear();
  for (std::uint32_t index = 0; index < slots_.size(); ++index) {
    if (!slots_.taken(index)) continue;
    Slot& slot = slots_[index];
    slot.starved = false;
    if (Op* const reader = std::exchange(slot.reader, nullptr)) io().make_ready(*reader);
    if (nothing_ahead(index)) end_slot(index);
  }
}

bool UringDriver::nothing_ahead(std::uint32_t index) noexcept {
  const std::deque<int>* const accepted = accepted_on(index);
  return slots_[index].pieces.empty() && !slots_[index].error && (!accepted || accepted->empty());
}

bool UringDriver::deliver_ahead(Op& op) noexcept {
  if (!has_ahead(op.handle)) return false;
  Slot& slot = slots_[op.handle.slot];
  if (op.kind == OpKind::receive && !slot.pieces.empty()) {
    op.result = pieces_.deliver(slot.pieces, op);
  } else if (op.kind == OpKind::receive) {
    op.result = -std::exchange(slot.error, 0);
  } else if (op.kind != OpKind::accept || !take_accepted(op)) {
    return false;
  }
  if (nothing_ahead(op.handle.slot)) end_slot(op.handle.slot);
  return true;
}

void UringDriver::drop_ahead(Handle handle) noexcept {
  if (!has_ahead(handle)) return;
  pieces_.drop(slots_[handle.slot].pieces);
  end_slot(handle.slot);
}

}  // namespace polyio
