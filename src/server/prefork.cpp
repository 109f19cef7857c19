// prefork: a fixed number of processes, made before anybody connects. Under a model that waits for
// many connections each runs a loop and accepts on the shared listening socket. Under model
// blocking each serves one connection at a time, and the supervisor accepts and hands over
// (SCM_RIGHTS), because a process that sits in a call can neither queue nor refuse a connection.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <polyio/os/socket.hpp>
#include <polyio/process/worker_slots.hpp>

#include "single_connection.hpp"
#include "supervisor.hpp"

namespace polyio {
namespace {

// Messages on a worker's channel. From the supervisor: a connection. From the worker: it can take
// one, or accepts itself; it has served one.
constexpr char connection_message = 'c', ready_message = 'r', served_message = 's';

class Prefork final : public Supervisor {
 public:
  Prefork(ServerShared& shared, Listeners listeners)
      : Supervisor(shared, std::move(listeners), workers_are_places(shared.dials),
                   {.places = 0, .waiting = shared.dials.max_waiting}),
        hands_over_(workers_are_places(shared.dials)) {
    if (shared.options.model == "auto") try_drivers();
  }

 private:
  struct WorkerState {
    std::size_t counts = 0;           // its place in ServerShared::processes()
    bool busy = false, idle = false;  // where connections are handed over
  };

  using States = std::map<std::uint64_t, WorkerState>;  // by the worker's id

  void begin() override { slots_.fill(); }
  // So that connections which come at the start are not turned away.
  bool begun() const override { return slots_.settled(); }
  void serve(os::UniqueFd socket) override;
  void received(Worker& worker, char message) override;
  void ended(Worker& worker) override;
  void reload() override;
  Deadline next_deadline() const override { return slots_.next_deadline(); }
  void time_passed() override { slots_.start_due(); }

  void try_drivers() const;
  Result<Worker*> start(std::size_t slot);
  std::optional<std::size_t> free_counts(std::size_t slot) const;
  int run_worker(std::size_t counts, os::UniqueFd channel);
  int run_loop(std::size_t counts, os::UniqueFd channel);
  int run_single(os::UniqueFd channel);
  void ready(Worker& worker);
  void served(Worker& worker);
  void set_idle(Worker& worker);
  Worker* idle_worker(const States::value_type& entry) noexcept;
  void count_places();
  void drop_place();

  const bool hands_over_;
  States states_;
  process::WorkerSlots slots_{
      workers(),
      shared_.dials.workers,
      retire_signal,
      retire_within(),
      [this](std::size_t slot) { return start(slot); },
      [this](std::string_view line) { shared_.log({line, LogLevel::warning}); }};
};

// A worker counts in a place of its own, so that what it counted can be taken back when it crashes.
// Those of one slot have the same share of the ceiling.
std::optional<std::size_t> Prefork::free_counts(std::size_t slot) const {
  for (std::size_t i = slot; i < shared_.processes().size(); i += slots_.size()) {
    const bool taken =
        std::ranges::any_of(states_, [i](const auto& entry) { return entry.second.counts == i; });
    if (!taken) return i;
  }
  return std::nullopt;
}

// Whether each worker can have one of its own, beside the others'. Throws NoDriver.
void Prefork::try_drivers() const {
  std::vector<std::unique_ptr<Driver>> drivers;
  drivers.reserve(shared_.dials.workers);
  for (unsigned i = 0; i < shared_.dials.workers; ++i)
    drivers.push_back(shared_.new_driver(shared_.dials.model, hands_over_));
}

Result<Prefork::Worker*> Prefork::start(std::size_t slot) {
  const auto counts = free_counts(slot);
  if (!counts) return fail(EBUSY);
  const auto body = [&](os::UniqueFd channel) { return run_worker(*counts, std::move(channel)); };
  auto worker = fork(body, true);
  if (worker) states_[(*worker)->id].counts = *counts;
  return worker;
}

// --- in the worker ---

int Prefork::run_worker(std::size_t counts, os::UniqueFd channel) {
  try {
    return hands_over_ ? run_single(std::move(channel)) : run_loop(counts, std::move(channel));
  } catch (const std::exception& error) {
    shared_.log({fmt::format("a worker process failed: {}", error.what()), LogLevel::error});
    return 70;
  }
}

int Prefork::run_loop(std::size_t counts, os::UniqueFd channel) {
  std::vector<Listeners> listeners;  // no copy stays: the port closes with the last one
  listeners.push_back(take_listeners());
  const auto loop = make_loops(shared_, std::move(listeners), shared_.processes()[counts]);
  const auto signals = watch_worker_signals([&](Ending::Step step) { loop->stop(step); });
  loop->run([&] { (void)os::send_message(channel.get(), ready_message); });
  return 0;
}

int Prefork::run_single(os::UniqueFd channel) {
  SingleConnection connection(shared_, shared_.options.drain_timeout);
  const auto signals = watch_worker_signals([&](Ending::Step step) {
    connection.stop(step);
    (void)os::shutdown(channel.get(), SHUT_RD);  // what was sent before is still served
  });
  char message = ready_message;
  for (;;) {
    if (!os::send_message(channel.get(), message)) return 0;  // the supervisor is gone
    auto received = os::receive_message(channel.get(), true);
    if (!received || received->byte != connection_message) return 0;
    connection.run(connection.serve(std::move(received->descriptor)));
    message = served_message;
  }
}

// --- in the supervisor ---

void Prefork::received(Worker& worker, char message) {
  if (message == ready_message) return ready(worker);
  if (message == served_message && states_[worker.id].busy) served(worker);
}

void Prefork::ready(Worker& worker) {
  slots_.ready(worker);
  if (hands_over_) set_idle(worker);
}

void Prefork::served(Worker& worker) {
  states_[worker.id].busy = false;
  if (worker.asked_to_end) return drop_place();
  auto next = room_.give_up_place();
  if (!next) return set_idle(worker);
  states_[worker.id].busy = true;
  const auto sent = os::send_message(worker.channel.get(), connection_message, next->get());
  if (!sent) shared_.refuse(std::move(*next), sent.error().message());
}

void Prefork::set_idle(Worker& worker) {
  states_[worker.id].idle = true;
  count_places();
  if (auto next = room_.next()) serve(std::move(*next));
}

// One that is being replaced takes no further connection.
Prefork::Worker* Prefork::idle_worker(const States::value_type& entry) noexcept {
  Worker* const worker = entry.second.idle ? workers().find(entry.first) : nullptr;
  return worker && !worker->asked_to_end ? worker : nullptr;
}

// As many connections have a place as are served, or can be by an idle worker.
void Prefork::count_places() {
  if (!hands_over_) return;
  const auto idle = std::ranges::count_if(
      states_, [this](const auto& entry) { return idle_worker(entry) != nullptr; });
  room_.set_places(room_.active() + static_cast<std::size_t>(idle));
}

void Prefork::serve(os::UniqueFd socket) {
  for (auto& entry : states_) {
    Worker* const worker = idle_worker(entry);
    if (!worker) continue;
    entry.second.idle = false;
    const auto sent = os::send_message(worker->channel.get(), connection_message, socket.get());
    if (!sent) continue;  // it is dying
    entry.second.busy = true;
    return;
  }
  shared_.refuse(std::move(socket), "no worker could take it");
  drop_place();
}

// Nobody takes the place: its worker goes.
void Prefork::drop_place() {
  room_.set_places(0);
  (void)room_.give_up_place();
  count_places();
}

void Prefork::ended(Worker& worker) {
  const WorkerState state = states_[worker.id];
  states_.erase(worker.id);
  if (hands_over_) {
    if (state.busy) drop_place();
    count_places();
  } else {
    shared_.processes()[state.counts].active.store(0);
    shared_.processes()[state.counts].waiting.store(0);
  }
  if (!stopping()) slots_.ended(worker);
}

// The listening socket is open all the time, so a connection waits in its queue at worst. (Sockets
// of their own, SO_REUSEPORT, have a queue each: a connection that waits in that of a worker which
// goes is reset.)
void Prefork::reload() {
  shared_.log("SIGHUP: replacing the worker processes");
  slots_.replace_all();
}

}  // namespace

std::unique_ptr<Host> make_prefork(ServerShared& shared, Listeners listeners) {
  return std::make_unique<Prefork>(shared, std::move(listeners));
}

}  // namespace polyio
