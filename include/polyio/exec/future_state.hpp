// What a Future, its maker and a pool share: where the work stands, its outcome, and what waits for
// it. The rule: the outcome is written before the phase says `ended`, and never after; so it is
// read without a lock. Whatever waits is on a list under the mutex, which is taken only when there
// is such a thing: making, ending and reading a future cost one allocation (of the frame pool),
// three atomic steps and no system call.
#pragma once

#include <atomic>
#include <concepts>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <polyio/coro/frame_pool.hpp>
#include <polyio/exec/future_phase.hpp>
#include <polyio/io/waiter.hpp>
#include <type_traits>
#include <utility>
#include <variant>

namespace polyio::detail {

class FutureState {
 public:
  using Phase = FuturePhase<>;
  static void* operator new(std::size_t size) { return frame_allocate(size); }
  static void operator delete(void* block, std::size_t size) noexcept { frame_free(block, size); }
  FutureState() = default;
  FutureState(const FutureState&) = delete;
  FutureState& operator=(const FutureState&) = delete;
  virtual ~FutureState();

  void share() noexcept { shares_.fetch_add(1, std::memory_order_relaxed); }
  // The same, by the only one that has it.
  void share_first() noexcept { shares_.store(2, std::memory_order_relaxed); }
  // Drops a share; the last one destroys the state.
  void release() noexcept {
    if (shares_.load(std::memory_order_acquire) == 1 ||
        shares_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      delete this;
    }
  }

  bool running() const noexcept { return phase_.now(std::memory_order_relaxed) == Phase::running; }
  bool ended() const noexcept { return phase_.now() == Phase::ended; }
  // For the maker: pending becomes running. False: it has been cancelled, or had begun.
  bool begin() noexcept { return phase_.move(Phase::pending, Phase::running); }
  // Ends it with ECANCELED while it is pending. False: it has begun or ended.
  bool cancel() noexcept { return settle(Phase::pending, errno_code(ECANCELED)); }
  // The same, for the only one that waits, under the mutex.
  bool cancel_alone() noexcept;
  // For the maker, in whatever phase but `ended`: the right to write the outcome. False: another
  // has it. Then end().
  bool claim() noexcept { return phase_.claim(); }
  // Ends it with `error` while it is in `phase`, which is pending or running.
  bool settle(std::uint32_t phase, std::error_code error) noexcept;
  // The outcome is there. By the one that has claimed it, or that began it and can't be
  // forestalled.
  void end() noexcept {
    if (phase_.end()) wake();
  }
  void set_exception(std::exception_ptr exception) noexcept { exception_ = std::move(exception); }
  void set_error(std::error_code error) noexcept { error_ = error; }
  const std::exception_ptr& exception() const noexcept { return exception_; }
  const std::error_code& error() const noexcept { return error_; }

  // Called once, when it has ended: by the thread that ends it, or at once by the caller.
  struct Callback {
    virtual ~Callback() = default;
    virtual void call(FutureState& state) = 0;
    Callback* next = nullptr;
  };
  void on_done(std::unique_ptr<Callback> callback) noexcept;

  // A task's or a thread's wait for the end.
  class Wait : public Waiter {
   public:
    explicit Wait(FutureState& state) noexcept : Waiter(state.mutex()), state_(state) {
      state_.share();
    }
    ~Wait() override { state_.release(); }

   protected:
    bool take() override { return state_.phase_.ended_or_marked(); }
    void queue() noexcept override { state_.waiters_.push_back(*this); }
    FutureState& state() const noexcept { return state_; }

   private:
    FutureState& state_;
  };
  // Blocks the calling thread. A worker of the pool in whose line it still stands runs it instead.
  Result<> wait(Deadline deadline);

  // A pool's part: the work, where it waits, and whose it is.
  virtual void run() noexcept {}
  FutureState& state() noexcept { return *this; }
  FutureState* next_in_line = nullptr;
  const void* pool = nullptr;

 private:
  // One of a few, which states share: a state is as small as may be, because most are made by one
  // processor and ended by another, and every cache line of it travels. No two are held at a time.
  std::mutex& mutex() const noexcept;
  void wake() noexcept;
  void call(std::unique_ptr<Callback> callback) noexcept;

  std::atomic<std::uint32_t> shares_{1};
  Phase phase_;
  std::error_code error_;
  std::exception_ptr exception_;
  WaiterList waiters_;             // under the mutex, as what follows
  Callback* callbacks_ = nullptr;  // the newest first
};

// The thread's own pool, if it is a worker.
extern constinit thread_local const void* pool_of_this_thread;

// A function that gives T makes a Future<T>, and so does one that gives Result<T>.
template <class T>
struct FutureValue {
  using type = T;
};
template <class T>
struct FutureValue<Result<T>> {
  using type = T;
};

template <class T>
class FutureStateOf : public FutureState {
 public:
  template <class... Arguments>
  void set(std::in_place_t, Arguments&&... value) {
    value_.emplace(std::forward<Arguments>(value)...);
  }
  void set(Result<T> result) {
    if (!result) {
      set_error(result.error());
    } else if constexpr (std::is_void_v<T>) {
      value_.emplace();
    } else {
      value_.emplace(std::move(*result));
    }
  }
  // Of one that has ended: it has no value.
  bool failed() const noexcept { return !value_; }
  // Of one that has ended. Rethrow what the work threw.
  Result<T> copy() const {
    if (!value_) return no_value();
    if constexpr (std::is_void_v<T>) {
      return {};
    } else {
      return *value_;
    }
  }
  Result<T> take() {
    if constexpr (std::is_void_v<T>) {
      return copy();
    } else {
      if (!value_) return no_value();
      return std::move(*value_);
    }
  }
  // `work()` gives the outcome, and is called by the thread that began it.
  template <class Work>
  void end_with(Work&& work) noexcept {
    using Value = std::invoke_result_t<Work>;
    try {
      if constexpr (std::is_void_v<Value>) {
        std::forward<Work>(work)();
        set(std::in_place);
      } else if constexpr (std::is_same_v<Value, Result<T>>) {
        set(std::forward<Work>(work)());
      } else {
        set(std::in_place, std::forward<Work>(work)());
      }
    } catch (...) {
      set_exception(std::current_exception());
    }
    end();
  }

 private:
  Result<T> no_value() const {
    if (exception()) std::rethrow_exception(exception());
    return fail(error());
  }
  std::optional<std::conditional_t<std::is_void_v<T>, std::monostate, T>> value_;
};

// A share of a state.
template <class State>
class Share {
 public:
  Share() = default;
  explicit Share(State* adopted) noexcept : state_(adopted) {}
  Share(const Share& other) noexcept : state_(other.state_) {
    if (state_) state_->share();
  }
  Share(Share&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  Share& operator=(Share other) noexcept {
    std::swap(state_, other.state_);
    return *this;
  }
  ~Share() {
    if (state_) state_->release();
  }
  State* get() const noexcept { return state_; }
  State* operator->() const noexcept { return state_; }
  State& operator*() const noexcept { return *state_; }
  explicit operator bool() const noexcept { return state_ != nullptr; }

 private:
  State* state_ = nullptr;
};

}  // namespace polyio::detail
