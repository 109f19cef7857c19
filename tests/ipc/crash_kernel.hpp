// CrashKernel: SharedKernel, but the process kills itself (kill -9) before its n-th step, so that a
// test can let it die at every point of a call where another process could see the difference. The
// rule: a primitive is tried by the very code that runs on SharedKernel.
#pragma once

#include <signal.h>
#include <unistd.h>

#include <polyio/ipc/kernel.hpp>

namespace polyio::ipc {

class CrashKernel : public SharedKernel {
 public:
  // Steps until the calling process is killed; negative: never. Counts on below 0.
  static inline long steps_left = -1;

  static void shared_step() noexcept {
    if (steps_left-- == 0) ::kill(::getpid(), SIGKILL);
  }
  // The robust list's own steps: another process never sees them, the kernel does.
  static void begin_list_op(RobustNode& node) noexcept {
    shared_step();
    SharedKernel::begin_list_op(node);
  }
  static void end_list_op() noexcept {
    shared_step();
    SharedKernel::end_list_op();
  }
  static void enlist(RobustNode& node) noexcept {
    shared_step();
    SharedKernel::enlist(node);
  }
  static void delist(RobustNode& node) noexcept {
    shared_step();
    SharedKernel::delist(node);
  }
  static void wake(const std::atomic<std::uint32_t>& word, int count) noexcept {
    shared_step();
    SharedKernel::wake(word, count);
  }
};

}  // namespace polyio::ipc
