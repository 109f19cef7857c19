// The pool's side of a ProcessPoolExecutor: the line, what each worker has, and the thread that
// takes results in, ends what is late and replaces what has died.
#pragma once

#include <deque>
#include <mutex>
#include <polyio/exec/process_pool.hpp>
#include <polyio/exec/work_line.hpp>
#include <polyio/os/thread_set.hpp>
#include <polyio/process/back_off.hpp>
#include <polyio/selectors/selector.hpp>

#include "process_worker.hpp"

namespace polyio::detail {

class ProcessPool {
 public:
  explicit ProcessPool(ProcessPoolOptions options);
  ~ProcessPool();

  Result<> queue(RemoteCall& call, bool may_wait);
  bool kill(FutureState& state);
  void shutdown(ProcessPoolExecutor::Shutdown how);
  std::vector<pid_t> pids() const;
  std::size_t waiting() const;
  std::size_t capacity() const noexcept { return slots_.size(); }
  std::uint64_t replaced() const;

 private:
  using Call = RemoteCall;
  // A task at a worker.
  struct Flight {
    std::uint64_t number = 0;
    Call* call = nullptr;
  };
  struct Slot {
    explicit Slot(WorkerDesk& its) : desk(its) { flights.reserve(WorkerWords::places); }

    WorkerDesk& desk;
    process::Zygote::Worker worker;
    bool up = false;  // its worker runs, as far as we know
    std::uint64_t last_number = 0;
    std::vector<Flight> flights;  // by number
    bool alone = false;           // the one task has a timeout
    Deadline kill_at = never;
    std::uint64_t ended_by = 0;  // the number of the task that the worker is killed for,
    std::error_code reason;      // and what it ends with
    // What the last tick saw: its first task. The same again: that one is long, or the worker is
    // stopped, so what is behind it goes to others.
    std::uint64_t seen = 0;
    bool stuck = false;
    process::BackOff back_off;
    Deadline start_at = never;
  };

  // --- under the mutex ---
  void dispatch() noexcept;
  Slot* free_slot(bool needs_alone) noexcept;
  bool may_have_more(Slot& slot) const noexcept;
  bool hand(Slot& slot, Call& call) noexcept;
  void tick_if_one_is_stopped() noexcept;
  void go_on_ticking() noexcept;
  void wake_by(Deadline at) noexcept;  // the pool's thread
  static bool has_begun(Slot& slot, std::uint64_t number) noexcept;
  void take_back(Slot& slot) noexcept;
  static void set_alone(Slot& slot) noexcept;
  bool end_worker_for(Slot& slot, std::uint64_t number, std::error_code reason) noexcept;
  bool is_done() const noexcept;
  void look_at_times(TimePoint now) noexcept;
  void tick(TimePoint now) noexcept;
  Deadline next_deadline() const noexcept;

  // --- the pool's thread ---
  void start_workers();
  Result<> admit(process::Zygote::Worker worker);
  void manage();
  void sleep();
  void on_event(std::uint64_t data);
  void collect(Slot& slot) noexcept;
  void settle(Slot& slot, std::span<const std::byte> bytes) noexcept;
  static void end_with(Call& call, const ResultHead& head, serial::Reader& reader) noexcept;
  // Ends it, and gives up the share of its future that the line or the worker had.
  static void end_with_error(Call& call, std::error_code error) noexcept;
  void on_answer();
  void on_death(Slot& slot);
  void ask(Slot& slot) noexcept;
  static void start_later(Slot& slot) noexcept;
  void break_down() noexcept;
  bool any_result() noexcept;
  void listen(std::uint32_t value) noexcept;

  const ProcessPoolOptions options_;
  const pid_t process_;
  PoolBell bell_;
  std::vector<WorkerDesk> desks_;
  std::deque<Slot> slots_;
  process::Zygote zygote_;
  std::unique_ptr<Selector> selector_;
  std::vector<std::byte> scratch_;  // the thread's

  static constexpr Nanoseconds tick_every = std::chrono::milliseconds(10);
  mutable std::mutex mutex_;                    // for what follows, and the slots
  mutable WorkLine<Call> line_;                 // closed: the pool is ending, or broken
  Nanoseconds usual_{std::chrono::seconds(1)};  // how long tasks take, of late
  bool ending_ = false, broken_ = false;
  std::uint64_t replaced_ = 0;
  bool handed_ = false;  // since the last tick
  Deadline tick_at_ = never;
  Deadline wakes_at_ = TimePoint::min();  // the pool's thread; min(): it is awake
  std::mutex joining_;                    // the thread, by one caller of shutdown() at a time
  os::ThreadSet thread_{os::Thread::default_stack};
};

}  // namespace polyio::detail
