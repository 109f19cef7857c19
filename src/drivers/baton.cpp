#include "baton.hpp"

#include <new>
#include <semaphore>
#include <system_error>

#include "timekeeper.hpp"

namespace polyio {
namespace {

// Where a thread sleeps until its job is ready, on its stack.
struct Sleeper {
  std::binary_semaphore ready{0};
};

}  // namespace

Baton::Baton(Io& io) : io_(io) { Timekeeper::instance().remember(*this); }

Baton::~Baton() {
  for (Lent& lent : lent_) lent.thread.join();
  Timekeeper::instance().forget(*this);
}

void Baton::run(Job& main) {
  take_up(main);
  io_.begin_main(main);
  service_wanted_.store(true);  // for what was handed in before
  run_to_end(main);
  POLYIO_ASSERT(io_.main_done());
  io_.end_run();
  put_down();
}

// The caller has the baton.
void Baton::run_to_end(Job& job) {
  Sleeper sleeper;
  while (!io_.run_job(job)) {
    const std::coroutine_handle<> resume = job.resume;  // shares its place with `sleeper`
    do {
      job.sleeper = &sleeper;
      put_down();
      sleeper.ready.acquire();
      take_up(job);  // the thread that released the semaphore has let go of it: it had the baton
      woken_ = false;
    } while (job.state == OpState::retry && !retry(job));
    job.resume = resume;
  }
}

// Pending from the beginning, for a deadline may pass inside its call.
bool Baton::retry(Job& job) {
  job.state = OpState::pending;
  return io_.driver().retry(job);
}

Result<> Baton::launch(Job& job) {
  if (!lends_) return fail(Errc::concurrency_unavailable);
  join_ended();
  const std::size_t before = lent_.size();
  const auto undo = [&](int error) {
    if (lent_.size() > before) lent_.pop_back();
    return fail(error);
  };
  try {
    Lent& lent = lent_.emplace_back();
    lent.thread = os::Thread([this, &job, &lent] {
      take_up(job);
      run_to_end(job);
      put_down();
      lent.ended.store(true);
    });
  } catch (const std::system_error& error) {
    return undo(error.code().value());
  } catch (const std::bad_alloc&) {
    return undo(ENOMEM);
  }
  return {};
}

void Baton::join_ended() {
  std::erase_if(lent_, [](Lent& lent) {
    if (!lent.ended.load()) return false;
    lent.thread.join();
    return true;
  });
}

void Baton::service_waits() noexcept {
  if (io_.main_done()) return;
  io_.service_waits(io_.now());
  Timekeeper::instance().set_deadline(*this, io_.next_timer());
}

// One at a time, because threads that wait for a mutex get it in no order: the next ready job is
// woken when this one puts the baton down.
void Baton::wake_ready() noexcept {
  if (woken_) return;
  Job* const job = io_.ready().take();
  if (!job) return;
  woken_ = true;
  static_cast<Sleeper*>(job->sleeper)->ready.release();
}

// The caller has the baton. Before and after run() the works may use what is not there yet or no
// more.
void Baton::serve_holding() noexcept {
  if (service_wanted_.exchange(false) && !io_.main_done()) {
    service_waits();
    io_.service_works();
  }
  wake_ready();
}

// Something was handed in while the baton was being put down.
void Baton::serve_again() noexcept {
  while (service_wanted_.load() && mutex_.try_lock()) {
    serve_holding();
    mutex_.unlock();
    std::atomic_thread_fence(std::memory_order_seq_cst);
  }
}

// May be called under a lock that posted work would take, so works are left to the next holder or
// the timekeeper.
void Baton::wake() noexcept {
  service_wanted_.store(true);
  if (Io::of_this_thread() == &io_) return;  // this thread has the baton, and will put it down
  std::atomic_thread_fence(std::memory_order_seq_cst);
  while (service_wanted_.load() && mutex_.try_lock()) {
    service_wanted_.store(false);
    service_waits();
    wake_ready();
    const bool works = io_.works_posted();
    mutex_.unlock();
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (works) return Timekeeper::instance().serve_soon(*this);
  }
}

void Baton::serve() noexcept {
  service_wanted_.store(true);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (mutex_.try_lock()) put_down();
}

void Baton::timer_moved(Deadline deadline) noexcept {
  Timekeeper::instance().set_deadline(*this, deadline);
}

}  // namespace polyio
