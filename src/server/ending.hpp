// Ending: how what one Io runs is brought to its end from outside: in three steps, taken in order
// and each once, because it was asked for or because the step before has taken too long. Every
// server part that has an Io has one of these. The rule: a step is taken on the Io, never beside
// it; what is asked for before the run begins, or between two runs, is taken when the next begins.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <polyio/io/io.hpp>

namespace polyio {

class Ending : private Timer {
 public:
  // Each includes those before it.
  enum class Step : std::uint8_t {
    retire = 1,  // accept no more; connections go on undisturbed (reload)
    drain,       // handlers see the end of file once they have received what is there
    cut,         // what still runs is cancelled
  };
  // Calls `take_step` on `io` for each step. A step that has lasted for `patience` is followed by
  // the next; Nanoseconds::max(): only when asked for. `io` is not used before the first run, and
  // ends before this.
  Ending(Io& io, Nanoseconds patience, std::function<void(Step)> take_step)
      : Timer(on_timer), io_(io), patience_(patience), take_step_(std::move(take_step)) {}

  // Thread-safe, at any time.
  void ask(Step step);
  // Whether that step has been taken. Thread-safe.
  bool reached(Step step) const noexcept { return reached_.load() >= step; }

  // A run of the Io; made and destroyed by its main task.
  class Run {
   public:
    explicit Run(Ending& ending) : ending_(ending) { ending.begin(); }
    ~Run() { (void)ending_.finish(); }
    Run(const Run&) = delete;
    Run& operator=(const Run&) = delete;

   private:
    Ending& ending_;
  };
  // Ends the run early, unless `idle()` is false. By its main task.
  template <class Idle>
  bool finish_if(Idle idle) {
    const std::lock_guard lock(mutex_);
    if (!idle()) return false;
    close();
    return true;
  }
  // Calls `act()` unless the run has ended; it can't end meanwhile. Thread-safe.
  template <class Act>
  bool unless_over(Act act) {
    const std::lock_guard lock(mutex_);
    if (state_ == State::over) return false;
    act();
    return true;
  }
  // Calls `work` on the Io if a run is going on; false: none is. Thread-safe.
  bool post(const std::function<void()>& work);

 private:
  enum class State : std::uint8_t { made, runs, over };
  static void on_timer(Timer& timer);
  void begin();
  bool finish() {
    return finish_if([] { return true; });
  }
  void close() noexcept;
  void advance(Step to);
  void arm_timer();

  Io& io_;
  const Nanoseconds patience_;
  const std::function<void(Step)> take_step_;
  std::atomic<Step> reached_{};
  Deadline next_at_ = never;

  std::mutex mutex_;
  Step asked_{};
  State state_ = State::made;
};

}  // namespace polyio
