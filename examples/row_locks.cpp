// Row locks and table locks between processes: a writer of one row blocks others at the same row
// and at the whole table, but not at other rows; a killed process releases its locks.
#include <fmt/core.h>

#include <polyio/ipc/event.hpp>
#include <polyio/ipc/shared_memory.hpp>
#include <polyio/locks/lock_table.hpp>
#include <polyio/process/process.hpp>

using namespace polyio;

void try_it(ipc::LockTable::Session& session, std::string_view name, const ipc::Resource& what,
            ipc::LockMode mode, Deadline deadline) {
  const auto locked = session.lock(what, mode, deadline);
  fmt::print("{}: {} in {}: {}\n", name, what.text(), ipc::lock_mode::name(mode),
             locked ? "granted" : locked.error().message());
}

int main() {
  using enum ipc::LockMode;
  using namespace std::chrono_literals;
  ipc::LockTable table;
  ipc::Shared<ipc::Event> written, forever;
  process::Process ann([&] {
    auto session = table.begin("ann").value();
    (void)session.lock({"accounts", 1}, X);  // and IX on accounts, by itself
    written->set();
    (void)forever->wait();
  });
  if (!ann.start()) return 1;
  (void)written->wait();

  auto bob = table.begin("bob").value(), eve = table.begin("eve").value();
  try_it(bob, "bob", {"accounts", 2}, X, never);
  try_it(bob, "bob", {"accounts", 1}, S, monotonic_now() + 20ms);
  try_it(eve, "eve", "accounts", S, monotonic_now() + 20ms);
  (void)ann.kill();
  fmt::print("ann is killed\n");
  try_it(bob, "bob", {"accounts", 1}, S, never);
  (void)bob.release_all();
  try_it(eve, "eve", "accounts", S, never);
  (void)ann.join();
}
