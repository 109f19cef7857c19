// The architectures that live in one process and accept on an Io: loop, loops,
// thread-per-connection, thread-pool. Worker 0 accepts (under loops each one may) and gives every
// connection to who serves it.
#include <fmt/format.h>
#include <algorithm>

#include <polyio/os/signals.hpp>
#include <semaphore>
#include <thread>

#include "dials.hpp"
#include "worker.hpp"

namespace polyio {
namespace {

// The places of this process: the whole server's, or its share of them where it is one of several.
WaitingRoom::Limits limits_of(const ServerShared& shared, const Seat& seat) {
  const ServerOptions& options = shared.options;
  WaitingRoom::Limits limits{.waiting = options.max_waiting};
  if (workers_are_places(options)) {
    limits.places = options.workers;
  } else if (options.max_connections > 0) {
    limits.places = options.max_connections;
  }
  if (!forks(options) || options.max_connections == 0) return limits;
  const auto index = static_cast<std::size_t>(&seat - shared.seats().data()) % options.workers;
  const auto share = [&](std::size_t whole) {
    return whole / options.workers + (index < whole % options.workers ? 1 : 0);
  };
  limits.places = share(options.max_connections);
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
// is for many short ones. On a shared listener the loop that is awake takes nearly everybody.
class Loops final : public Architecture {
 public:
  Loops(ServerShared& shared, std::vector<os::UniqueFd> listeners, Seat& seat);
  void run(const std::function<void()>& ready) override;
  void stop(Stop how) override {
    for (auto& worker : workers_) worker->stop(how);
  }
  std::vector<Io*> homes() override {
    std::vector<Io*> homes;
    homes.reserve(workers_.size());
    for (const auto& worker : workers_) homes.push_back(&worker->io());
    return homes;
  }

 private:
  void dispatch(Worker& acceptor, Stream stream);
  void run_worker(Worker& worker) noexcept;

  ServerShared& shared_;
  WaitingRoom room_;
  const bool threads_;  // serve, not the loops
  const bool hand_over_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::exception_ptr error_;
  std::mutex error_mutex_;
};

Loops::Loops(ServerShared& shared, std::vector<os::UniqueFd> listeners, Seat& seat)
    : shared_(shared),
      room_(shared, limits_of(shared, seat), seat),
      threads_(shared.options.architecture.starts_with("thread")),
      hand_over_(shared.options.accepting == "hand-over") {
  const ServerOptions& options = shared.options;
  const unsigned count = options.architecture == "loops" ? options.workers : 1;
  for (unsigned i = 0; i < count; ++i) {
    workers_.push_back(std::make_unique<Worker>(shared_, room_, shared_.new_driver()));
  }
  for (std::size_t i = 0; i < listeners.size(); ++i) {
    const bool others = forks(options) || options.accepting == "shared";
    workers_.at(i)->acceptor().listen(std::move(listeners[i]), others);
  }
  if (threads_) {
    const bool pool = options.architecture == "thread-pool";
    workers_[0]->employ(pool ? std::optional(options.workers) : std::nullopt);
  }
  room_.set_wake([this] {
    for (auto& worker : workers_) worker->look_again();
  });
}

void Loops::dispatch(Worker& acceptor, Stream stream) {
  if (threads_) return acceptor.serve_in_thread(std::move(stream));
  if (!hand_over_ || workers_.size() == 1) return acceptor.serve_here(std::move(stream));
  const auto lightest = std::ranges::min_element(
      workers_, {}, [](const std::unique_ptr<Worker>& worker) { return worker->load(); });
  if (lightest->get() == &acceptor) return acceptor.serve_here(std::move(stream));
  auto socket = stream.release();
  if (socket) return (*lightest)->take(std::move(*socket));
  (void)room_.give_up_place();
}

void Loops::run_worker(Worker& worker) noexcept {
  try {
    worker.run([this, &worker](Stream stream) { dispatch(worker, std::move(stream)); });
  } catch (...) {
    {
      const std::lock_guard lock(error_mutex_);
      if (!error_) error_ = std::current_exception();
    }
    stop(Stop::drain);
  }
}

void Loops::run(const std::function<void()>& ready) {
  std::vector<std::thread> threads;
  std::counting_semaphore<> begun(0);
  try {
    for (std::size_t i = 1; i < workers_.size(); ++i) {
      workers_[i]->io().post([&begun] { begun.release(); });
      threads.emplace_back([this, i, &begun] {
        os::name_thread(fmt::format("loop-{}", i).c_str());
        run_worker(*workers_[i]);
        begun.release();  // if it could not even begin
      });
    }
    // Before anything is accepted, or connections could take the descriptors a loop needs.
    for (std::size_t i = 1; i < workers_.size(); ++i) begun.acquire();
    for (auto& worker : workers_) worker->begin();
    ready();
  } catch (...) {
    stop(Stop::cut);
    for (std::thread& thread : threads) thread.join();
    throw;
  }
  run_worker(*workers_[0]);
  for (std::thread& thread : threads) thread.join();
  if (error_) std::rethrow_exception(error_);
}

}  // namespace

std::unique_ptr<Architecture> make_loops(ServerShared& shared, std::vector<os::UniqueFd> listeners,
                                         Seat& seat) {
  return std::make_unique<Loops>(shared, std::move(listeners), seat);
}

}  // namespace polyio
