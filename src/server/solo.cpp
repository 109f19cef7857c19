#include "solo.hpp"

#include <utility>

#include "surely.hpp"

namespace polyio {

using namespace std::chrono_literals;

Solo::Solo(ServerShared& shared, std::unique_ptr<Driver> driver)
    : shared_(shared), io_(std::move(driver)) {
  if (shared.options.idle_timeout > 0ns) io_.set_idle_timeout(shared.options.idle_timeout);
  io_.set_spin(shared.options.spin);
}

Task<> Solo::serve(Stream stream) {
  serving_ = true;
  co_await serve_connection(shared_, io_, std::move(stream));
  serving_ = false;
}

Task<> Solo::serve_socket(os::UniqueFd socket) {
  serving_ = true;
  co_await serve_connection(shared_, io_, std::move(socket));
  serving_ = false;
}

void Solo::run(Task<> main) {
  {
    const std::lock_guard lock(stop_mutex_);
    running_ = true;
  }
  io_.run(whole(std::move(main)));
}

Task<> Solo::whole(Task<> main) {
  {
    const std::lock_guard lock(stop_mutex_);
    if (asked_) apply(*asked_);
  }
  co_await std::move(main);
  const std::lock_guard lock(stop_mutex_);
  running_ = false;
}

void Solo::stop(Architecture::Stop how) {
  const std::lock_guard lock(stop_mutex_);
  asked_ = std::max(asked_.value_or(how), how);
  if (!running_) return;
  surely([&] { io_.post([this, how] { apply(how); }); });
}

// The handler may sit in a system call (model blocking): what ends it is a timer, not a task. What
// it throws would be thrown through Io::run(), past the jobs that are there.
void Solo::apply(Architecture::Stop how) {
  if (!std::exchange(stopped_, true)) {
    if (on_stop_) surely([&] { on_stop_(); });
    arm_limit();
  }
  if (how >= Architecture::Stop::drain && !std::exchange(drained_, true)) {
    surely([&] { io_.drain(); });
    arm_limit();
  }
  if (how < Architecture::Stop::cut || std::exchange(cut_, true)) return;
  if (serving_) shared_.counters().cut.fetch_add(1, std::memory_order_relaxed);
  surely([&] { io_.cancel_all(); });
}

void Solo::arm_limit() {
  surely([&] { io_.arm(limit_, deadline_after(io_.now(), shared_.options.drain_timeout)); });
}

void Solo::time_over() { apply(drained_ ? Architecture::Stop::cut : Architecture::Stop::drain); }

void Solo::Limit::fire_limit(Timer& timer) { static_cast<Limit&>(timer).solo.time_over(); }

}  // namespace polyio
