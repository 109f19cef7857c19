// Worker: one long-lived Io of a server with what runs on it: connections, and on the first one the
// accept loop. ConnectionThread: one connection with a thread and an Io of its own. Both end in two
// steps: drain, then cut.
#pragma once

#include <list>
#include <mutex>
#include <polyio/io/stream.hpp>
#include <polyio/io/task_group.hpp>
#include <polyio/os/thread.hpp>
#include <polyio/server/server.hpp>

namespace polyio {

// What workers share. Counters are relaxed atomics: they order nothing.
struct ServerShared {
  ServerOptions options;
  Handler handler;
  // On cache lines away from options and handler, which every connection reads.
  alignas(64) std::atomic<std::uint64_t> accepted{0};
  std::atomic<std::uint64_t> active{0}, failed{0}, refused{0}, accept_errors{0}, cut{0};
  std::atomic<bool> acceptor_waits{false};          // for a connection to end
  alignas(64) std::function<void()> wake_acceptor;  // set before anything runs
  // Counts and logs what a handler threw.
  void handler_threw(const std::exception_ptr& exception);
};

class Worker final : private TaskGroup::Supervisor {
 public:
  Worker(ServerShared& shared, std::unique_ptr<Driver> driver);
  ~Worker();

  // Runs until stopped and drained. With a listener it also accepts, and calls `dispatch` with each
  // stream.
  using Dispatch = std::function<void(Stream)>;
  void run(const Dispatch& dispatch = {});
  // First call: drain. Second: cut. Thread-safe while run() lasts; before it, it is remembered.
  void stop();
  // Takes over a connected socket from another worker. Thread-safe.
  void take(os::UniqueFd socket);
  // Lets the accept loop look again whether there is room. Thread-safe.
  void room_freed();
  // Serves `stream`, which is of this worker's Io, here.
  void serve_here(Stream stream);
  // A connection in a thread of its own.
  void serve_in_thread(Stream stream);

  std::size_t load() const noexcept { return load_.load(std::memory_order_relaxed); }
  Io& io() noexcept { return io_; }
  Listener& listener() noexcept { return listener_; }
  void set_listener(Listener listener) noexcept { listener_ = std::move(listener); }

 private:
  struct ConnectionThread {
    os::Thread thread;
    Io* io = nullptr;  // while it runs; guarded by threads_mutex_
    bool ended = false;
  };

  Task<> main(const Dispatch& dispatch);
  bool end();
  Task<> serve(TaskGroup& connections, const Dispatch& dispatch);
  Task<> accept_until_stopped(TaskGroup& group, const Dispatch& dispatch);
  void task_ended(const std::exception_ptr& exception) noexcept override;
  Task<> accept_loop(const Dispatch& dispatch);
  Task<> wait_for_room();
  Task<> recover(std::error_code error);
  void start(Stream stream);
  void admit() noexcept;
  void connection_ended();
  void run_thread(ConnectionThread& self, os::UniqueFd socket);
  void begin_drain();
  void begin_cut();
  void reap_threads(bool all);

  ServerShared& shared_;
  Io io_;
  Listener listener_;
  std::atomic<std::size_t> load_{0};  // connections of this worker
  TaskGroup* connections_ = nullptr;  // one task each: the handler itself, no frame around it
  CancelScope* accepting_ = nullptr;
  CancelScope* draining_ = nullptr;
  Job* main_job_ = nullptr;
  Job* accept_job_ = nullptr;
  bool stopping_ = false;
  bool impatient_ = false;  // stop() was called again
  bool exhausted_ = false;  // said so in the log

  std::mutex stop_mutex_;
  int stops_ = 0;
  bool running_ = false;
  bool ended_ = false;

  std::mutex threads_mutex_;
  std::list<ConnectionThread> threads_;
  std::size_t threads_ended_ = 0;
  bool drained_ = false, cut_ = false;  // new threads' Ios are, too
};

}  // namespace polyio
