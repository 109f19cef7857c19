// Acceptor: accepts connections on one Io, as long as the waiting room takes them, and lives
// through every error of accept(2). The rule: once its part of the server retires, it still hands
// out what the model had accepted by then, so that no accepted connection is dropped. For the Io's
// tasks.
#pragma once

#include <polyio/io/cancel_scope.hpp>
#include <polyio/io/stream.hpp>

#include "accept_errors.hpp"
#include "ending.hpp"
#include "waiting_room.hpp"

namespace polyio {

class Acceptor {
 public:
  Acceptor(ServerShared& shared, WaitingRoom& room, Io& io, const Ending& ending) noexcept
      : room_(room), io_(io), ending_(ending), outcomes_(shared) {}

  // Takes over the listening socket. Throws std::system_error when the Io can't have it.
  void listen(os::UniqueFd socket, bool shared);
  // The next connection that has a place. Errors: operation_canceled, it retires and none is
  // left.
  Task<Result<os::UniqueFd>> next();
  // A call of next() is waiting.
  bool waits() const noexcept { return scope_ != nullptr; }
  // Ends that wait, so that next() sees that it retires.
  void interrupt() noexcept {
    if (scope_) scope_->cancel();
  }
  // Lets next() ask the waiting room again.
  void look_again() {
    if (job_) io_.unpark(*job_);
  }
  // Stops listening: from now on the kernel refuses whoever connects.
  void close() noexcept { listener_.close(); }

 private:
  bool retires() const noexcept { return ending_.reached(Ending::Step::retire); }
  Task<> wait_for_room();
  Task<> rest();

  WaitingRoom& room_;
  Io& io_;
  const Ending& ending_;
  AcceptOutcomes outcomes_;
  Listener listener_;
  CancelScope* scope_ = nullptr;  // of what next() waits for
  Job* job_ = nullptr;            // that waits for room
};

}  // namespace polyio
