// process-per-connection: the supervisor accepts and forks a process for every connection, which
// serves it and ends.
#include "single_connection.hpp"
#include "supervisor.hpp"

namespace polyio {
namespace {

class ProcessPerConnection final : public Supervisor {
 public:
  ProcessPerConnection(ServerShared& shared, Listeners listeners)
      : Supervisor(shared, std::move(listeners), true,
                   {.places = shared.options.max_connections ? shared.options.max_connections
                                                             : WaitingRoom::no_ceiling,
                    .waiting = shared.dials.max_waiting}) {}

 private:
  void serve(os::UniqueFd socket) override {
    while (!start(std::move(socket))) {
      auto next = room_.give_up_place();
      if (!next) return;
      socket = std::move(*next);
    }
  }

  bool start(os::UniqueFd socket) {
    const auto body = [&](os::UniqueFd) { return run_worker(shared_, std::move(socket)); };
    const auto worker = fork(body, false);
    if (!worker) shared_.refuse(std::move(socket), "no process: " + worker.error().message());
    return worker.has_value();
  }

  // What the worker lacks (descriptors, a thread for its signals) is a refusal and no crash.
  static int run_worker(ServerShared& shared, os::UniqueFd socket) {
    try {
      SingleConnection connection(shared, shared.options.drain_timeout);
      const auto signals = watch_worker_signals([&](Ending::Step step) { connection.stop(step); });
      connection.run(connection.serve(std::move(socket)));
    } catch (const std::exception& error) {
      shared.refuse(std::move(socket), std::string("no process: ") + error.what());
    }
    return 0;
  }

  void ended(Worker&) override {
    if (auto next = room_.give_up_place()) serve(std::move(*next));
  }

  void reload() override {
    shared_.log("SIGHUP: there is nothing to replace, every connection gets a new process");
  }
};

}  // namespace

std::unique_ptr<Host> make_process_per_connection(ServerShared& shared, Listeners listeners) {
  return std::make_unique<ProcessPerConnection>(shared, std::move(listeners));
}

}  // namespace polyio
