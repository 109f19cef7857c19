// A deadlock that has not happened yet: two threads lock in opposite orders, one after the other,
// so nothing goes wrong. The checked mode reports it all the same.
#include <fmt/core.h>

#include <polyio/ipc/lock_order.hpp>
#include <polyio/ipc/mutex.hpp>
#include <thread>

using namespace polyio;

threads::Mutex left, right;

void left_first() {
  auto one = left.hold();
  auto other = right.hold();
}

void right_first() {
  auto one = right.hold();
  auto other = left.hold();
}

int main() {
  lock_order::enable();
  lock_order::name(left, "the left key");
  lock_order::name(right, "the right key");
  std::thread(left_first).join();
  std::thread(right_first).join();
  fmt::print("nobody had to wait\n");
}
