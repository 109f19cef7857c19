// LockCheck: looks at every rule that a LockTable keeps whenever its mutex is free.
#pragma once

#include <memory>
#include <vector>

#include "locks/lock_core.hpp"

namespace polyio::ipc {

// Which rule is broken; "": none.
template <class K>
class LockCheck {
 public:
  explicit LockCheck(const LockSlots<K>& slots) : slots_(slots), entry_(slots_) {}

  const char* run() {
    if (!entry_.whole()) return "the memory is damaged";
    if (const char* const wrong = count_chains()) return wrong;
    for (std::uint32_t i = 1; i <= slots_.limits().locks; ++i) {
      const Request& request = *slots_.request(i);
      if (request.state.load(relaxed)) {
        if (const char* const wrong = look_at(request)) return wrong;
      } else if (in_bucket_[i] || in_session_[i]) {
        return "a free slot is on a chain";
      }
    }
    for (std::uint32_t i = 1; i <= slots_.limits().sessions; ++i) {
      const Session& session = *slots_.session(i);
      if (!session.begun.load(relaxed)) continue;
      if (session.doomed.load(relaxed) && session.waiting.load(relaxed)) {
        return "a session that gives way waits";
      }
      if (session.waiting.load(relaxed) && LockCycle<K>(slots_, entry_).in_cycle(session)) {
        return "there is a deadlock";
      }
    }
    return entry_.whole() ? "" : "the memory is damaged";
  }

 private:
  using Session = LockSession<K>;
  using Request = LockRequest<K>;

  const char* count_chains() {
    const std::uint32_t locks = slots_.limits().locks;
    in_bucket_.assign(locks + 1, 0);
    in_session_.assign(locks + 1, 0);
    for (std::uint32_t i = 0; i < slots_.buckets(); ++i) {
      std::uint32_t length = 0;
      for (std::uint32_t at = slots_.bucket(i).load(relaxed); at;) {
        const Request* const request = slots_.request(at);
        if (!request || ++length > locks) return "a bucket's chain does not end";
        if (&slots_.bucket(request->what) != &slots_.bucket(i)) return "a wrong bucket";
        ++in_bucket_[at];
        at = request->next.load(relaxed);
      }
    }
    for (std::uint32_t i = 1; i <= slots_.limits().sessions; ++i) {
      if (!slots_.session(i)->begun.load(relaxed)) continue;
      std::uint32_t length = 0;
      for (std::uint32_t at = slots_.session(i)->first.load(relaxed); at;) {
        const Request* const request = slots_.request(at);
        if (!request || ++length > locks) return "a session's chain does not end";
        if (request->session.load(relaxed) != i) return "a wrong session";
        ++in_session_[at];
        at = request->next_of_session.load(relaxed);
      }
    }
    std::uint32_t free = 0, used = 0;
    for (std::uint32_t at = slots_.header().free.load(relaxed); at; ++free) {
      const Request* const request = slots_.request(at);
      if (!request || free == locks) return "the chain of free slots does not end";
      at = request->next.load(relaxed);
    }
    for (std::uint32_t i = 1; i <= locks; ++i) used += slots_.request(i)->state.load(relaxed) != 0;
    return free + used == locks ? nullptr : "slots were lost";
  }
  const char* look_at(const Request& request) {
    const std::uint32_t number = slots_.number(request);
    const Session* const session = entry_.session_of(request);
    const LockState state = entry_.state_of(request);
    if (!session || !session->begun.load(relaxed)) return "a request of no session";
    if (in_bucket_[number] != 1 || in_session_[number] != 1) return "not once on each chain";
    const bool waits = state.wanted != LockMode::none;
    if (waits != (session->waiting.load(relaxed) == number))
      return "a session waits for another request";
    if (entry_.look(*session, request.what).own != &request) return "two requests for one thing";
    std::uint32_t held = 0, ahead = 0;
    entry_.each_on(request.what, [&](Request& other) {
      if (&other == &request) return true;
      const LockState others = entry_.state_of(other);
      held |= lock_mode::bit(others.granted);
      if (waits && entry_.order(other) < entry_.order(request)) {
        ahead |= lock_mode::bit(others.wanted);
      }
      return true;
    });
    if (held & lock_mode::conflicts(state.granted)) return "two hold what only one may";
    if (waits && !((held | ahead) & lock_mode::conflicts(state.wanted))) {
      return "one waits for what is free";
    }
    return state.granted == LockMode::none ? nullptr : look_at_table(request, *session, state);
  }
  // A row is announced on its table.
  const char* look_at_table(const Request& request, const Session& session, LockState state) {
    if (!request.what.is_row()) return nullptr;
    const Request* const table = entry_.look(session, request.what.whole_table()).own;
    const LockMode has = table ? entry_.state_of(*table).granted : LockMode::none;
    const LockMode needs = lock_mode::intention(state.granted);
    return stronger_of(has, needs) == has ? nullptr : "a row without its table";
  }

  LockSlots<K> slots_;
  LockEntry<K> entry_;
  std::vector<std::uint8_t> in_bucket_, in_session_;
};

// Memory for a table, all of one process.
struct TableInMemory {
  explicit TableInMemory(LockTableLimits limits)
      : bytes(new std::uint64_t[LockSlots<SharedKernel>::bytes(limits) / 8 + 1]()),
        slots(bytes.get(), limits) {
    slots.format();
  }
  std::unique_ptr<std::uint64_t[]> bytes;
  LockSlots<SharedKernel> slots;
};

struct LockTableMemory {
  static void* of(const LockTable& table) noexcept { return table.memory(); }
};

// Which rule `table` breaks; "": none.
inline const char* check(const LockTable& table) {
  void* const memory = LockTableMemory::of(table);
  const auto& header = *static_cast<const LockHeader<SharedKernel>*>(memory);
  const LockTableLimits limits{header.sessions.load(), header.locks.load()};
  return LockCheck<SharedKernel>(LockSlots<SharedKernel>(memory, limits)).run();
}

}  // namespace polyio::ipc
