#include "single_connection.hpp"

#include "retry_for_memory.hpp"

namespace polyio {

SingleConnection::SingleConnection(ServerShared& shared, Nanoseconds patience)
    : shared_(shared),
      ending_(io_, patience, [this](Ending::Step step) { take_step(step); }),
      io_(shared.new_driver(shared.dials.model, true)) {
  shared.set_up(io_);
}

void SingleConnection::run(Task<> main) { io_.run(whole(std::move(main))); }

Task<> SingleConnection::whole(Task<> main) {
  const Ending::Run run(ending_);
  co_await std::move(main);
}

Task<> SingleConnection::serve(os::UniqueFd socket) {
  struct Serving {
    explicit Serving(bool& flag) noexcept : serving(flag) { serving = true; }
    Serving(const Serving&) = delete;
    Serving& operator=(const Serving&) = delete;
    ~Serving() { serving = false; }
    bool& serving;
  } const serving(serving_);
  if (ending_.reached(Ending::Step::cut)) count_cut();
  co_await serve_connection(shared_, io_, std::move(socket));
}

// The handler may sit in a system call (model blocking), so what ends it is a timer's or another
// thread's call, not a task.
void SingleConnection::take_step(Ending::Step step) {
  if (step == Ending::Step::drain) retry_for_memory([this] { io_.drain(); });
  if (step != Ending::Step::cut) return;
  if (serving_) count_cut();
  retry_for_memory([this] { io_.cancel_all(); });
}

}  // namespace polyio
