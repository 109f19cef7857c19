// Acceptor: accepts connections on one Io, as long as the waiting room takes them, and lives
// through every error of accept(2). The rule: once stopped, it still hands out what its model had
// accepted already, so that nobody who got through is dropped. For the Io's tasks, but
// look_again().
#pragma once

#include <polyio/io/cancel_scope.hpp>
#include <polyio/io/stream.hpp>

#include "waiting_room.hpp"

namespace polyio {

class Acceptor {
 public:
  Acceptor(ServerShared& shared, WaitingRoom& room, Io& io) noexcept
      : shared_(shared), room_(room), io_(io) {}

  // Takes over the listening socket. Throws std::system_error when the Io can't have it.
  void listen(os::UniqueFd socket, bool shared = false);
  bool listens() const noexcept { return static_cast<bool>(listener_); }
  // The next connection that has a place. Errors: operation_canceled, stopped and nobody is left.
  Task<Result<Stream>> next();
  // next() ends with those who are there. Also between calls of it.
  void stop() noexcept;
  // next() is waiting for somebody.
  bool accepting() const noexcept { return scope_ != nullptr; }
  // Stops listening: who connects from now on is refused by the kernel.
  void close() noexcept { listener_.close(); }
  // Lets next() ask the waiting room again. Thread-safe while the Io runs.
  void look_again();

 private:
  Task<> wait_for_room();
  Task<> recover(std::error_code error);

  ServerShared& shared_;
  WaitingRoom& room_;
  Io& io_;
  Listener listener_;
  CancelScope* scope_ = nullptr;  // while next() accepts
  Job* job_ = nullptr;            // that waits for room
  bool stopped_ = false;
  bool retired_ = false;    // the listener knows that it is stopped
  bool exhausted_ = false;  // said so in the log
};

}  // namespace polyio
