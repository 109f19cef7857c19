#include <array>
#include <polyio/base/sanitizers.hpp>
#include <polyio/exec/future_state.hpp>
#include <polyio/os/line_log.hpp>
#include <polyio/os/spin.hpp>

#if POLYIO_TSAN
extern "C" {
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
}
#endif

namespace polyio::detail {
namespace {

// The reference count of an exception orders what its last handler read before its end here. That
// count is libstdc++'s, where ThreadSanitizer does not see it.
void drop(std::exception_ptr& exception) noexcept {
#if POLYIO_TSAN
  AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
#endif
  exception = nullptr;
#if POLYIO_TSAN
  AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
#endif
}

}  // namespace

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
  drop(exception_);
  while (callbacks_) delete std::exchange(callbacks_, callbacks_->next);  // it never ended
}

bool FutureState::settle(std::uint32_t phase, std::error_code error) noexcept {
  if (!phase_.move(phase, Phase::claimed)) return false;
  error_ = error;
  end();
  return true;
}

bool FutureState::cancel_alone() noexcept {
  if (!phase_.move(Phase::pending, Phase::claimed)) return false;
  error_ = errno_code(ECANCELED);
  phase_.end_alone();
  return true;
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
    if (!phase_.ended_or_marked()) {
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
  const auto& word = phase_.word();
  for (auto seen = word.load(); !ended(); seen = word.load()) {
    if (!os::spin_until_changed(word, seen)) return ThreadWait<End>(*this)(deadline);
  }
  return {};
}

}  // namespace polyio::detail
