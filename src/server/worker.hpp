// Worker: one long-lived Io of a server with what runs on it: connections, or a crew of threads
// that serves them, and maybe an acceptor. Its end has steps: it accepts no more, drains, then
// cuts.
#pragma once

#include <mutex>
#include <optional>
#include <polyio/io/stream.hpp>
#include <polyio/io/task_group.hpp>

#include "acceptor.hpp"
#include "architecture.hpp"
#include "thread_crew.hpp"

namespace polyio {

class Worker final : private TaskGroup::Supervisor, private ThreadCrew::Owner {
 public:
  Worker(ServerShared& shared, WaitingRoom& room, std::unique_ptr<Driver> driver);
  ~Worker() override;
  // Connections are served by threads from now on. Before run().
  void employ(std::optional<unsigned> pool) {
    ThreadCrew::Owner& owner = *this;
    crew_.emplace(shared_, room_, owner, io_, pool);
  }

  // Starts the pool, if there is one. Throws what keeps it from starting.
  void begin() {
    if (crew_) crew_->begin();
  }
  // Runs until stopped and drained. With an acceptor that listens it calls `dispatch` with each
  // stream.
  using Dispatch = std::function<void(Stream)>;
  void run(const Dispatch& dispatch);
  // Thread-safe while run() lasts; before it, it is remembered.
  void stop(Architecture::Stop how);
  // Takes over a connected socket, which has a place, from another worker. Thread-safe.
  void take(os::UniqueFd socket);
  // Serves `stream`, which is of this worker's Io and has a place, here.
  void serve_here(Stream stream);
  // In a thread of the crew.
  void serve_in_thread(Stream stream);

  // Its acceptor may find room now. Thread-safe.
  void look_again();
  std::size_t load() const noexcept { return load_.load(); }
  Io& io() noexcept { return io_; }
  Acceptor& acceptor() noexcept { return acceptor_; }

 private:
  Task<> main(const Dispatch& dispatch);
  bool end();
  Task<> serve(TaskGroup& connections, const Dispatch& dispatch);
  Task<> accept_until_stopped(TaskGroup& group, const Dispatch& dispatch);
  Task<> accept_all(const Dispatch& dispatch);
  Task<bool> all_gone_in_time(bool hurry);
  void task_ended(const std::exception_ptr& exception) noexcept override;
  void connection_left() noexcept override;
  void start(Stream stream);
  bool start_one(Stream stream);
  void connection_ended();
  void apply(Architecture::Stop how);
  void begin_drain();
  void begin_cut();

  ServerShared& shared_;
  WaitingRoom& room_;
  Io io_;
  Acceptor acceptor_{shared_, room_, io_};
  std::optional<ThreadCrew> crew_;
  std::atomic<std::size_t> load_{0};  // connections of this worker
  TaskGroup* connections_ = nullptr;  // one task each: the handler itself, no frame around it
  CancelScope* draining_ = nullptr;
  Job* main_job_ = nullptr;
  std::atomic<bool> stopping_{false};
  bool drain_ = false;  // and not only retire
  bool cut_ = false;    // and at once

  std::mutex stop_mutex_;
  std::optional<Architecture::Stop> asked_;
  bool running_ = false;
  bool ended_ = false;
};

}  // namespace polyio
