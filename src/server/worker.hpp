// Worker: one long-lived Io of a server with what runs on it: connections, or a crew of threads
// that serves them, and maybe an acceptor. To its end it accepts no more, drains, then cuts.
#pragma once

#include <deque>
#include <optional>
#include <polyio/io/stream.hpp>
#include <polyio/io/task_group.hpp>

#include "acceptor.hpp"
#include "thread_crew.hpp"

namespace polyio {

class Worker final : private TaskGroup::Supervisor, private ThreadCrew::Owner {
 public:
  // The architecture says whether its connections are served side by side by tasks, by threads, or
  // one after the other by the task that accepts them. `index`: see Background::index(). Throws
  // what keeps it from having a driver.
  Worker(ServerShared& shared, WaitingRoom& room, unsigned index);
  ~Worker() override;

  // Takes over listening sockets; `shared`: others accept on them too. Before run().
  void listen(Listeners sockets, bool shared) {
    for (os::UniqueFd& socket : sockets) {
      acceptors_.emplace_back(shared_, room_, io_, ending_).listen(std::move(socket), shared);
    }
  }
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

  // A driver as this worker needs it. Throws NoDriver.
  std::unique_ptr<Driver> new_driver(const std::string& model) const;
  // Has it wait with another driver from now on, and returns for how long its loop did nothing
  // else. Thread-safe, on any thread but its own. Throws std::system_error, and nothing has
  // changed.
  Nanoseconds set_driver(std::unique_ptr<Driver> next);

 private:
  // What the background tasks end with is the server's to count.
  struct BackgroundEnd final : TaskGroup::Supervisor {
    explicit BackgroundEnd(ServerShared& shared) : server(shared) {}
    void task_ended(const std::exception_ptr& exception) noexcept override {
      if (exception) server.count_failure("a background task", exception);
    }
    ServerShared& server;
  };
  Task<> main(const Dispatch& dispatch);
  Task<> serve_beside(TaskGroup& background, const Dispatch& dispatch);
  void start_beside(TaskGroup& background, const BackgroundTask& task);
  Task<> run_beside(Task<> task);
  Task<> serve_all(TaskGroup& connections, const Dispatch& dispatch);
  Task<> accept_all(const Dispatch& dispatch);
  struct OneServed;  // has a place of the room until its end
  Task<> accept_from(Acceptor& acceptor, const Dispatch& dispatch);
  void start(os::UniqueFd socket);
  bool start_one(os::UniqueFd socket);
  void task_ended(const std::exception_ptr& exception) noexcept override;
  void connection_ended();
  void connection_left() noexcept override;
  void take_step(Ending::Step step);
  void drain();
  void cut();
  void cut_background();
  void wake_main();

  ServerShared& shared_;
  WaitingRoom& room_;
  const bool one_at_a_time_;
  Ending ending_;
  Io io_;
  std::deque<Acceptor> acceptors_;
  std::optional<ThreadCrew> crew_;
  std::atomic<std::size_t> load_{0};
  Event stopping_;  // of the background tasks
  Background beside_;
  BackgroundEnd background_end_{shared_};
  TaskGroup* background_ = nullptr;
  std::size_t not_begun_ = 0;         // of its tasks
  TaskGroup* connections_ = nullptr;  // one task each: the handler itself, no frame around it
  Job* main_job_ = nullptr;
};

}  // namespace polyio
