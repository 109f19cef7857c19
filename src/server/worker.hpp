// Worker: one long-lived Io of a server with what runs on it: connections, or a crew of threads
// that serves them, and maybe an acceptor. To its end it accepts no more, drains, then cuts.
#pragma once

#include <optional>
#include <polyio/io/stream.hpp>
#include <polyio/io/task_group.hpp>

#include "acceptor.hpp"
#include "thread_crew.hpp"

namespace polyio {

class Worker final : private TaskGroup::Supervisor, private ThreadCrew::Owner {
 public:
  // The architecture says whether its connections are served side by side by tasks, by threads, or
  // one after the other by the task that accepts them. Throws what keeps it from having a driver.
  Worker(ServerShared& shared, WaitingRoom& room);
  ~Worker() override;

  // Takes over a listening socket; `shared`: others accept on it too. Before run().
  void listen(os::UniqueFd socket, bool shared) { acceptor_.listen(std::move(socket), shared); }
  // Starts the pool of threads, if there is one. Throws what keeps it from starting.
  void begin() {
    if (crew_) crew_->begin();
  }
  // Runs until stopped and drained. If it listens, it calls `dispatch` with each connection that
  // has got a place, but for those it serves one after the other.
  using Dispatch = std::function<void(os::UniqueFd)>;
  void run(const Dispatch& dispatch);
  // Thread-safe, at any time.
  void stop(Ending::Step step) { ending_.ask(step); }

  // Serves a connection that has a place. On this worker's Io.
  void serve(os::UniqueFd socket);
  // The same for another worker's threads. Thread-safe.
  void take(os::UniqueFd socket);
  // Its acceptor may find room now. Thread-safe.
  void look_again();
  // Connections that it serves. Thread-safe.
  std::size_t load() const noexcept { return load_.load(); }
  Io& io() noexcept { return io_; }

 private:
  Task<> main(const Dispatch& dispatch);
  Task<> serve_all(TaskGroup& connections, const Dispatch& dispatch);
  Task<> accept_all(const Dispatch& dispatch);
  void start(os::UniqueFd socket);
  bool start_one(os::UniqueFd socket);
  void task_ended(const std::exception_ptr& exception) noexcept override;
  void connection_ended();
  void connection_left() noexcept override;
  void take_step(Ending::Step step);
  void drain();
  void cut();
  void wake_main();

  ServerShared& shared_;
  WaitingRoom& room_;
  const bool one_at_a_time_;
  Ending ending_;
  Io io_;
  Acceptor acceptor_{shared_, room_, io_, ending_};
  std::optional<ThreadCrew> crew_;
  std::atomic<std::size_t> load_{0};
  TaskGroup* connections_ = nullptr;  // one task each: the handler itself, no frame around it
  Job* main_job_ = nullptr;
};

}  // namespace polyio
