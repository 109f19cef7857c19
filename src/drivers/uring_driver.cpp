#include "uring_driver.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <polyio/os/descriptor.hpp>
#include <polyio/os/socket.hpp>
#include <system_error>

#include <polyio/io/pieces.hpp>
#include "uring_ring.hpp"

namespace polyio {
UringDriver::UringDriver(std::uint32_t leases, bool small)
    : SocketDriver(os::Blocking::yes), buffers_(leases), pieces_(buffers_, buffers_.end_of_ids()) {
  const auto open = [&] { return uring::open(ring_, small); };
  if (const int error = uring::once_memory_is_back(open)) {
    throw std::system_error(-error, std::generic_category(), "io_uring");
  }
  uring::Closing closing(ring_);  // unless all goes well
  if (const int error = buffers_.open(ring_)) {
    throw std::system_error(-error, std::generic_category(), "io_uring");
  }
  messages_.resize(*ring_.sq.kring_entries);
  closing.ring = nullptr;
}

UringDriver::~UringDriver() {
  if (ready_) {
    for (std::uint32_t i = 0; i < slots_.size(); ++i) {
      if (!slots_.taken(i) || slots_[i].closing) continue;
      const Handle handle{i, slots_.generation_of(i)};
      left_ ? drop_ahead(handle) : close(handle);
    }
    while (in_flight_ > 0) {
      // On another thread than the one that ran: the ring's end is that of its requests.
      if (io_uring_submit_and_wait(&ring_, 1) == -EEXIST) break;
      reap();
    }
  }
  uring::close(ring_);
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    if (slots_.taken(i)) os::UniqueFd(static_cast<int>(i)).reset();
  }
}

void UringDriver::attach_thread() {
  if (ready_) return;
  if (const int error = uring::enable(ring_)) {
    throw std::system_error(-error, std::generic_category(), "io_uring");
  }
  ready_ = true;
  request_wakeup();
}

void UringDriver::detach_thread() noexcept {
  while (any_closing()) {
    wait(never);
    reap();
  }
}

bool UringDriver::any_closing() const noexcept {
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    if (slots_.taken(i) && slots_[i].closing) return true;
  }
  return false;
}

UringDriver::Slot& UringDriver::slot_of(Handle handle) noexcept {
  Slot* const slot = slots_.find(handle.slot, handle.generation);
  POLYIO_ASSERT(slot && !slot->closing);
  return *slot;
}

const UringDriver::Slot& UringDriver::slot_of(Handle handle) const noexcept {
  return const_cast<UringDriver&>(*this).slot_of(handle);
}

Result<Handle> UringDriver::adopt_listener(int socket, bool shared) {
  auto handle = adopt(socket);
  if (handle) slots_[handle->slot].kind = shared ? Kind::shared_listener : Kind::listener;
  return handle;
}

bool UringDriver::stop_accepting(Handle handle) noexcept {
  Slot& slot = slot_of(handle);
  slot.retired = true;
  if (slot.armed && !slot.cancelling) end_armed(handle.slot);
  return true;
}

Result<Handle> UringDriver::adopt(int socket) {
  os::UniqueFd owned(socket);
  if (auto set = os::set_nonblocking(socket, false); !set) return fail(set.error());
  return open_slot(std::move(owned));
}

// Blocking, or the kernel would answer EAGAIN instead of waiting.
Result<Handle> UringDriver::adopt_descriptor(int fd) {
  auto own = os::in_mode(os::UniqueFd(fd), os::Blocking::yes);
  if (!own) return fail(own.error());
  return open_slot(std::move(*own), Kind::descriptor);
}

Result<Handle> UringDriver::watch(int fd) {
  auto copy = duplicate(fd);
  if (!copy) return fail(copy.error());
  return open_slot(std::move(*copy), Kind::watched);
}

Handle UringDriver::open_slot(os::UniqueFd fd, Kind kind) {
  if (starved_.capacity() <= open_) starved_.reserve(2 * open_ + 1);
  const auto index = static_cast<std::uint32_t>(fd.get());
  POLYIO_ASSERT(!slots_.taken(index));
  const std::uint32_t generation = slots_.take(index);
  slots_[index].kind = kind;
  ++open_;
  (void)fd.release();
  return {index, generation};
}

Result<os::UniqueFd> UringDriver::release(Handle handle) {
  Slot& slot = slot_of(handle);
  if (slot.in_flight > 0 || !slot.pieces.empty()) {
    close(handle);
    return fail(EBUSY);
  }
  end_slot(handle.slot);
  return os::UniqueFd(static_cast<int>(handle.slot));
}

void UringDriver::close(Handle handle) noexcept {
  Slot& slot = slot_of(handle);
  POLYIO_RULE(!slot.reader && !slot.writer, closed_while_used);
  pieces_.drop(slot.pieces);
  slot.closing = true;
  if (slot.in_flight == 0) return finish_close(handle.slot);
  if (slot.armed && !slot.cancelling) end_armed(handle.slot);
}

void UringDriver::finish_close(std::uint32_t index) noexcept {
  end_slot(index);
  os::UniqueFd(static_cast<int>(index)).reset();
}

void UringDriver::end_slot(std::uint32_t index) noexcept {
  const Slot slot = slots_.give_back(index);
  --open_;
  if (slot.listens()) forget_accepted(index);
  if (slot.starved) std::erase(starved_, index);
}

std::deque<int>* UringDriver::accepted_on(std::uint32_t listener) noexcept {
  const auto place =
      std::ranges::find(accepted_, listener, &decltype(accepted_)::value_type::first);
  return place == accepted_.end() ? nullptr : &place->second;
}

void UringDriver::forget_accepted(std::uint32_t listener) noexcept {
  std::erase_if(accepted_, [&](auto& entry) {
    if (entry.first != listener) return false;
    for (const int fd : entry.second) os::UniqueFd(fd).reset();
    return true;
  });
}

}  // namespace polyio
