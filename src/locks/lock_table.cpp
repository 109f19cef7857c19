#include <fmt/format.h>

#include <cerrno>
#include <polyio/ipc/shared_memory.hpp>
#include <system_error>

#include "lock_core.hpp"

namespace polyio::ipc {
namespace {

using Core = LockCore<SharedKernel>;
using Slots = LockSlots<SharedKernel>;

constexpr Layout layout{hash_of("polyio::ipc::LockTable"), 2, alignof(std::uint64_t)};

LockTableLimits checked(LockTableLimits limits) {
  if (limits.sessions - 1 >= LockTableLimits::max_sessions ||
      limits.locks - 1 >= LockTableLimits::max_locks) {
    throw std::system_error(EINVAL, std::generic_category(), "LockTable: its limits");
  }
  return limits;
}

}  // namespace

struct LockTable::State {
  State(SharedMemory segment, LockTableLimits limits)
      : memory(std::move(segment)), slots(memory.data(), limits), core(slots) {}

  SharedMemory memory;
  Slots slots;
  Core core;
};

std::string Resource::text() const {
  return is_row() ? fmt::format("{}[{}]", table(), row()) : std::string(table());
}

std::string Deadlock::text() const {
  std::string text = fmt::format("deadlock of {}: ", length);
  for (const DeadlockLink& link : cycle) {
    text += fmt::format("{} (process {}, thread {}) holds {} in {} and waits for {} in {}; ",
                        link.owner(), link.pid, link.thread, link.holds.text(),
                        lock_mode::name(link.holds_mode), link.waits_for.text(),
                        lock_mode::name(link.waits_mode));
  }
  if (length > cycle.size()) text += fmt::format("and {} more; ", length - cycle.size());
  for (const DeadlockLink& link : cycle) {
    if (link.session == victim) text += fmt::format("{}, the youngest, gives way", link.owner());
  }
  return text;
}

LockTable::LockTable(LockTableLimits limits) : LockTable(std::string_view(), limits) {}

LockTable::LockTable(std::string_view name, LockTableLimits limits) {
  auto format = [](void* memory, void* context) {
    Slots(memory, *static_cast<LockTableLimits*>(context)).format();
  };
  const std::size_t bytes = Slots::bytes(checked(limits));
  const SegmentMaker maker{format, &limits};
  auto memory = name.data() ? SharedMemory::open(name, bytes, layout, maker)
                            : SharedMemory::create(bytes, layout, maker);
  if (!memory) throw SharedMemory::explain(memory.error(), name);
  state_ = std::make_shared<State>(std::move(*memory), limits);
  if (!state_->slots.formatted()) throw SharedMemory::explain(errno_code(EEXIST), name);
}

Result<LockTable::Session> LockTable::begin(std::string_view name) {
  auto id = state_->core.begin(name);
  if (!id) return fail(id.error());
  return Session(state_, id->slot, id->begun);
}

void* LockTable::memory() const noexcept { return state_->memory.data(); }

LockTable::Session& LockTable::Session::operator=(Session&& other) noexcept {
  Session old(std::move(*this));
  state_ = std::move(other.state_);
  slot_ = other.slot_;
  begun_ = other.begun_;
  deadlock_ = std::move(other.deadlock_);
  return *this;
}

LockTable::Session::~Session() {
  if (state_) (void)state_->core.end({slot_, begun_});  // EPERM in a child: it is the parent's
}

Result<> LockTable::Session::lock(const Resource& what, LockMode mode, Deadline deadline) {
  return state_->core.lock({slot_, begun_}, what, mode, deadline, &deadlock_);
}

Result<> LockTable::Session::unlock(const Resource& what) {
  return state_->core.unlock({slot_, begun_}, what);
}

Result<> LockTable::Session::release_all() { return state_->core.release_all({slot_, begun_}); }

Result<LockMode> LockTable::Session::held(const Resource& what) const {
  return state_->core.held({slot_, begun_}, what);
}

}  // namespace polyio::ipc
