// Solo: an Io that serves one connection at a time, on the thread that runs it, and how it is ended
// from outside meanwhile. Of architecture iterative, and of processes with one connection each.
#pragma once

#include <mutex>
#include <optional>
#include <polyio/io/stream.hpp>

#include "architecture.hpp"

namespace polyio {

class Solo {
 public:
  Solo(ServerShared& shared, std::unique_ptr<Driver> driver);
  Io& io() noexcept { return io_; }
  // Called on the Io when it is asked to end for the first time.
  void set_on_stop(std::function<void()> on_stop) { on_stop_ = std::move(on_stop); }
  // Runs `main` on this thread; again and again, if need be.
  void run(Task<> main);
  Task<> serve(Stream stream);
  Task<> serve_socket(os::UniqueFd socket);
  // Thread-safe, at any time: also what comes before run() or between two counts.
  void stop(Architecture::Stop how);

 private:
  struct Limit : Timer {
    explicit Limit(Solo& owner) : Timer(fire_limit), solo(owner) {}
    static void fire_limit(Timer& timer);
    Solo& solo;
  };
  Task<> whole(Task<> main);
  void apply(Architecture::Stop how);
  void arm_limit();
  void time_over();

  ServerShared& shared_;
  std::function<void()> on_stop_;
  std::mutex stop_mutex_;
  std::optional<Architecture::Stop> asked_;
  bool running_ = false;
  Limit limit_{*this};  // of the drain
  Io io_;
  bool serving_ = false;
  bool stopped_ = false, drained_ = false, cut_ = false;
};

}  // namespace polyio
