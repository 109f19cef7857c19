// Two processes that each need the key the other holds: a deadlock. It is found at once, the
// younger gives its key back and tries again, and both finish.
#include <fmt/core.h>

#include <polyio/ipc/barrier.hpp>
#include <polyio/ipc/shared_memory.hpp>
#include <polyio/locks/lock_table.hpp>
#include <polyio/process/process.hpp>

using namespace polyio;

void say(std::string_view who, std::string_view what) {
  fmt::print("{}: {}\n", who, what);
  std::fflush(stdout);
}

void take_both(ipc::LockTable::Session& session, std::string_view who, int own, int other,
               ipc::Barrier& both_have_one) {
  for (bool first = true;; first = false) {
    auto locked = session.lock(ipc::Resource("keys", own), ipc::LockMode::X);
    if (first) (void)both_have_one.wait();
    if (locked) locked = session.lock(ipc::Resource("keys", other), ipc::LockMode::X);
    if (locked) return say(who, "I have both keys");
    say(who, session.deadlock().text());  // EDEADLK: undo what is half done, let go, try again
    (void)session.release_all();
  }
}

int main() {
  ipc::LockTable table;
  ipc::Shared<ipc::Barrier> ann_is_there(std::in_place, 2), both_have_one(std::in_place, 2);
  process::Process ann([&] {
    auto session = table.begin("ann").value();
    (void)ann_is_there->wait();
    take_both(session, "ann", 1, 2, *both_have_one);
  });
  process::Process bob([&] {
    (void)ann_is_there->wait();
    auto session = table.begin("bob").value();  // the younger
    take_both(session, "bob", 2, 1, *both_have_one);
  });
  if (!ann.start() || !bob.start()) return 1;
  (void)ann.join();
  (void)bob.join();
  return *ann.exitcode() + *bob.exitcode();
}
