#include <array>
#include <polyio/exec/future_state.hpp>
#include <polyio/os/line_log.hpp>
#include <polyio/os/spin.hpp>

namespace polyio::detail {

constinit thread_local const void* pool_of_this_thread = nullptr;

std::mutex& FutureState::mutex() const noexcept {
  struct alignas(64) Place {
    std::mutex mutex;
  };
  static constinit std::array<Place, 64> places;
  const auto address = reinterpret_cast<std::uintptr_t>(this);
  return places[(address / 16 ^ address / 4096) % places.size()].mutex;
}

FutureState::~FutureState() {
  while (callbacks_) delete std::exchange(callbacks_, callbacks_->next);  // it never ended
}

bool FutureState::move(std::uint32_t from, std::uint32_t to) noexcept {
  std::uint32_t word = word_.load(std::memory_order_relaxed);
  do {
    if ((word & phases) != from) return false;
  } while (!word_.compare_exchange_weak(word, (word & ~phases) | to, std::memory_order_acq_rel,
                                        std::memory_order_relaxed));
  return true;
}

bool FutureState::begin() noexcept { return move(pending_phase, running_phase); }

bool FutureState::claim() noexcept {
  return move(running_phase, claimed_phase) || move(pending_phase, claimed_phase) ||
         move(running_phase, claimed_phase);  // begun between the two
}

bool FutureState::settle(std::uint32_t phase, std::error_code error) noexcept {
  if (!move(phase, claimed_phase)) return false;
  error_ = error;
  end();
  return true;
}

bool FutureState::cancel_alone() noexcept {
  if (!move(pending_phase, claimed_phase)) return false;
  error_ = errno_code(ECANCELED);
  word_.store(ended_phase, std::memory_order_release);
  return true;
}

void FutureState::end() noexcept {
  if (word_.exchange(ended_phase, std::memory_order_acq_rel) & waited_for) wake();
}

void FutureState::wake() noexcept {
  Callback* newest = nullptr;
  {
    const std::lock_guard lock(mutex());
    while (Waiter* waiter = waiters_.pop_front()) waiter->end();
    newest = std::exchange(callbacks_, nullptr);
  }
  Callback* first = nullptr;
  while (newest) {
    Callback* const next = std::exchange(newest->next, first);
    first = std::exchange(newest, next);
  }
  while (first) {
    std::unique_ptr<Callback> callback(std::exchange(first, first->next));
    call(std::move(callback));
  }
}

void FutureState::call(std::unique_ptr<Callback> callback) noexcept {
  try {
    callback->call(*this);
  } catch (...) {
    os::write_exception_to_stderr("polyio: a callback of a future threw");
  }
}

void FutureState::on_done(std::unique_ptr<Callback> callback) noexcept {
  {
    const std::lock_guard lock(mutex());
    if (!ended_or_marked()) {
      callback->next = callbacks_;
      callbacks_ = callback.release();
      return;
    }
  }
  call(std::move(callback));
}

namespace {
class End : public FutureState::Wait {
 public:
  using Wait::Wait;
  Result<> value() noexcept { return {}; }
};
}  // namespace

Result<> FutureState::wait(Deadline deadline) {
  if (ended()) return {};
  if (pool && pool == pool_of_this_thread && begin()) {
    run();
    return {};
  }
  for (auto word = word_.load(std::memory_order_acquire); (word & phases) != ended_phase;
       word = word_.load(std::memory_order_acquire)) {
    if (!os::spin_until_changed(word_, word)) return ThreadWait<End>(*this)(deadline);
  }
  return {};
}

}  // namespace polyio::detail
