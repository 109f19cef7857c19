// The architectures that live in one process and accept on an Io: loop, loops,
// thread-per-connection, thread-pool, iterative. Worker 0 accepts (under loops each one may) and
// gives every connection to the worker that serves it.
#include <fmt/format.h>

#include <algorithm>
#include <polyio/os/thread_set.hpp>
#include <semaphore>

#include "host.hpp"
#include "worker.hpp"

namespace polyio {
namespace {

// This process's place among the worker processes; without any 0.
unsigned place_of(const ServerShared& shared, const ProcessCounts& counts) {
  return static_cast<unsigned>(&counts - shared.processes().data()) % shared.dials.workers;
}

// The places of this process: the whole server's, or its share of them where it is one of several.
WaitingRoom::Limits limits_of(const ServerShared& shared, unsigned process) {
  const Dials& dials = shared.dials;
  const std::size_t ceiling = shared.options.max_connections;
  WaitingRoom::Limits limits{.waiting = dials.max_waiting};
  if (workers_are_places(dials)) {
    limits.places = dials.workers;
  } else if (ceiling > 0) {
    limits.places = ceiling;
  }
  if (!forks(dials.architecture) || ceiling == 0) return limits;
  const auto share = [&](std::size_t whole) {
    return whole / dials.workers + (process < whole % dials.workers ? 1 : 0);
  };
  limits.places = share(ceiling);
  if (limits.waiting) limits.waiting = share(*limits.waiting);
  limits.shared = true;
  return limits;
}

// How connections get to several loops. Measured on 2 cores with 2 loops and the load generator
// beside them, medians of 6 interleaved rounds (epoll, io_uring): connections per second, the share
// of 200 long connections (io_uring: of the work) that the fuller loop has, p99 of an echo among
// 200:
//   hand-over  25,900, 34,300   0.50, 0.53   6.4 ms, 4.4 ms
//   shared     37,700, 34,400   0.93, 0.87   4.9 ms, 6.5 ms
//   reuseport  36,800, 42,300   0.52, 0.59   4.8 ms, 4.7 ms
// hand-over is the default: it alone is even for few connections too, whatever they do; reuseport
// is for many short ones. On a shared listener the loop that is awake takes nearly all.
class Loops final : public Host {
 public:
  Loops(ServerShared& shared, std::vector<Listeners> listeners, ProcessCounts& counts);
  void run(const std::function<void()>& ready) override;
  void stop(Ending::Step how) override {
    for (auto& worker : workers_) worker->stop(how);
  }
  Nanoseconds set_model(const std::string& before, const std::string& model) override;
  std::vector<Io*> homes() override {
    std::vector<Io*> homes;
    homes.reserve(workers_.size());
    for (const auto& worker : workers_) homes.push_back(&worker->io());
    return homes;
  }

 private:
  void start_others(os::ThreadSet& threads);
  void run_worker(Worker& worker) noexcept;
  void keep(const std::exception_ptr& error) noexcept;
  void dispatch(Worker& acceptor, os::UniqueFd socket);

  WaitingRoom room_;
  const bool hand_over_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::exception_ptr error_;
  std::mutex error_mutex_;
};

Loops::Loops(ServerShared& shared, std::vector<Listeners> listeners, ProcessCounts& counts)
    : room_(shared, limits_of(shared, place_of(shared, counts)), counts),
      hand_over_(shared.dials.accepting == Accepting::hand_over) {
  const Dials& dials = shared.dials;
  const unsigned count = dials.architecture == Architecture::loops ? dials.workers : 1;
  const unsigned first = place_of(shared, counts);
  for (unsigned i = 0; i < count; ++i) {
    workers_.push_back(std::make_unique<Worker>(shared, room_, first + i));
  }
  // No connection is accepted ahead that another worker, or this one later, could serve sooner.
  const bool one_by_one = forks(dials.architecture) || dials.accepting == Accepting::shared ||
                          dials.architecture == Architecture::iterative;
  for (std::size_t i = 0; i < listeners.size(); ++i) {
    workers_.at(i)->listen(std::move(listeners[i]), one_by_one);
  }
  room_.set_wake([this] {
    for (auto& worker : workers_) worker->look_again();
  });
}

// All loops run before the server says that it is ready: it is said on worker 0, once that runs.
void Loops::run(const std::function<void()>& ready) {
  bool said = false;
  const auto say = [&] {
    said = true;
    try {
      ready();
    } catch (...) {
      keep(std::current_exception());
      stop(Ending::Step::cut);
    }
  };
  os::ThreadSet threads(os::Thread::default_stack);
  try {
    start_others(threads);
    if (error_) std::rethrow_exception(error_);
    for (auto& worker : workers_) worker->begin();
    workers_[0]->io().post(say);
  } catch (...) {
    stop(Ending::Step::cut);
    throw;
  }
  run_worker(*workers_[0]);
  if (!said && !error_) say();  // it was stopped before
  threads.join_all();
  if (error_) std::rethrow_exception(error_);
}

void Loops::keep(const std::exception_ptr& error) noexcept {
  const std::lock_guard lock(error_mutex_);
  if (!error_) error_ = error;
}

// Returns when all have begun: before anything is accepted, or connections could take the
// descriptors a loop needs.
void Loops::start_others(os::ThreadSet& threads) {
  const auto begun = std::make_shared<std::counting_semaphore<>>(0);
  for (std::size_t i = 1; i < workers_.size(); ++i) {
    workers_[i]->io().post([begun] { begun->release(); });
    threads.start(fmt::format("loop-{}", i), [this, i, begun] {
      run_worker(*workers_[i]);
      begun->release();  // if it could not even begin
    });
  }
  for (std::size_t i = 1; i < workers_.size(); ++i) begun->acquire();
}

void Loops::run_worker(Worker& worker) noexcept {
  try {
    worker.run([this, &worker](os::UniqueFd socket) { dispatch(worker, std::move(socket)); });
  } catch (...) {
    keep(std::current_exception());
    stop(Ending::Step::drain);
  }
}

// All or none: where a loop can't have the model those that have it already go back.
Nanoseconds Loops::set_model(const std::string& before, const std::string& model) {
  std::vector<std::unique_ptr<Driver>> drivers;
  for (const auto& worker : workers_) {
    if (Io::of_this_thread() == &worker->io()) {
      throw std::invalid_argument(
          "the model is changed from outside: a loop can't wait for itself; use offload()");
    }
    drivers.push_back(worker->new_driver(model));
  }
  Nanoseconds longest{0};
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    try {
      longest = std::max(longest, workers_[i]->set_driver(std::move(drivers[i])));
    } catch (...) {
      while (i-- > 0) (void)workers_[i]->set_driver(workers_[i]->new_driver(before));
      throw;
    }
  }
  return longest;
}

void Loops::dispatch(Worker& acceptor, os::UniqueFd socket) {
  Worker* lightest = &acceptor;
  if (hand_over_) {
    lightest = std::ranges::min_element(workers_, {}, [](const auto& worker) {
                 return worker->load();
               })->get();
  }
  if (lightest == &acceptor) return acceptor.serve(std::move(socket));
  lightest->take(std::move(socket));
}

}  // namespace

std::unique_ptr<Host> make_loops(ServerShared& shared, std::vector<Listeners> listeners,
                                 ProcessCounts& counts) {
  return std::make_unique<Loops>(shared, std::move(listeners), counts);
}

}  // namespace polyio
