// process-per-connection: the supervisor accepts and forks a process for every connection, which
// serves it and ends.
#include <map>

#include "dials.hpp"
#include "solo.hpp"
#include "supervisor.hpp"

namespace polyio {
namespace {

class ProcessPerConnection final : public Supervisor {
 public:
  ProcessPerConnection(ServerShared& shared, os::UniqueFd listener)
      : Supervisor(shared, std::move(listener), true,
                   {.places = shared.options.max_connections ? shared.options.max_connections
                                                             : WaitingRoom::no_ceiling,
                    .waiting = shared.options.max_waiting}) {}

 private:
  void serve(os::UniqueFd socket) override {
    while (!start(std::move(socket))) {
      auto next = room_.give_up_place();
      if (!next) return;
      socket = std::move(*next);
    }
  }

  bool start(os::UniqueFd socket) {
    std::error_code error;
    const auto body = [&](os::UniqueFd) { return run_child(shared_, std::move(socket)); };
    if (fork(body, false, error)) {
      shared_.admitted();
      return true;
    }
    shared_.refuse(std::move(socket), "no process: " + error.message());
    return false;
  }

  // What the child lacks (descriptors, a thread for its signals) is a refusal and no crash.
  static int run_child(ServerShared& shared, os::UniqueFd socket) {
    try {
      Solo solo(shared, shared.new_driver());
      const ChildSignals signals([&solo](Stop how) { solo.stop(how); });
      solo.run(solo.serve_socket(std::move(socket)));
    } catch (const std::exception& error) {
      shared.refuse(std::move(socket), std::string("no process: ") + error.what());
    }
    return 0;
  }

  void ended(Child&) override {
    if (auto next = room_.give_up_place()) serve(std::move(*next));
  }

  void reload() override {
    shared_.log("SIGHUP: there is nothing to replace, every connection gets a new process");
  }
};

}  // namespace

std::unique_ptr<Architecture> make_process_per_connection(ServerShared& shared,
                                                          os::UniqueFd listener) {
  return std::make_unique<ProcessPerConnection>(shared, std::move(listener));
}

}  // namespace polyio
