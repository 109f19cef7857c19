// Io: what other threads hand in, unparks and posted work, and how its own thread takes it.
#include <polyio/io/io.hpp>
#include <polyio/os/line_log.hpp>

namespace polyio {

void Io::unpark(Job& job) {
  if (io_of_this_thread == this) return give_permit(job);
  if (job.in_inbox.exchange(true, std::memory_order_acq_rel)) return;
  {
    const std::lock_guard lock(inbox_mutex_);
    job.next_unparked = std::exchange(unparked_, &job);
    unparked_filled_.store(true);
  }
  scheduler_->wake();
}

void Io::give_permit(Job& job) noexcept {
  const bool parks = job.kind == OpKind::park || job.kind == OpKind::shielded_park;
  if (parks && job.state == OpState::pending) {
    complete(job, 0);
  } else {
    job.permit = true;
  }
}

void Io::post(std::move_only_function<void()> work) {
  struct Posting {
    explicit Posting(std::atomic<unsigned>& counter) : count(counter) {
      count.fetch_add(1, std::memory_order_relaxed);
    }
    ~Posting() { count.fetch_sub(1, std::memory_order_release); }
    std::atomic<unsigned>& count;
  } const posting(posting_);
  {
    const std::lock_guard lock(inbox_mutex_);
    works_.push_back(std::move(work));
    works_filled_.store(true);
  }
  scheduler_->wake();
}

void Io::service_waits(TimePoint now) {
  if (!retired_.empty() && now >= next_look_) [[unlikely]] {
    next_look_ = now + std::chrono::milliseconds(1);
    drop_retired();
  }
  if (unparked_filled_.load(std::memory_order_relaxed)) {
    Job* jobs;
    {
      const std::lock_guard lock(inbox_mutex_);
      jobs = std::exchange(unparked_, nullptr);
      unparked_filled_.store(false);
    }
    Job* first = nullptr;  // the oldest: they come last in, first out
    while (Job* const job = jobs) {
      jobs = std::exchange(job->next_unparked, first);
      first = job;
    }
    while (Job* const job = first) {
      first = job->next_unparked;  // before the job may be unparked again
      job->in_inbox.store(false, std::memory_order_release);
      give_permit(*job);
    }
  }
  timers_.fire_due(now);
}

void Io::service_works() {
  if (!works_filled_.load(std::memory_order_relaxed)) return;
  std::vector<std::move_only_function<void()>> works;
  {
    const std::lock_guard lock(inbox_mutex_);
    works.swap(works_);
    works_filled_.store(false);
  }
  Io* const outer = std::exchange(io_of_this_thread, this);
  for (auto& work : works) {
    try {
      work();
    } catch (...) {
      report_failed_work(std::current_exception());
    }
  }
  io_of_this_thread = outer;
}

void Io::report_failed_work(const std::exception_ptr& exception) noexcept {
  try {
    if (work_failed_) return work_failed_(exception);
    std::rethrow_exception(exception);
  } catch (const std::exception& error) {
    os::write_to_stderr("polyio: what was posted to an Io threw: ");
    os::write_to_stderr(error.what());
    os::write_to_stderr("\n");
  } catch (...) {
    os::write_to_stderr("polyio: what was posted to an Io threw no std::exception\n");
  }
}

void Io::end_run() {
  drop_works();
  drop_kept();
  drop_retired();
}

void Io::drop_works() {
  std::vector<std::move_only_function<void()>> works;
  const std::lock_guard lock(inbox_mutex_);
  works.swap(works_);
  works_filled_.store(false);
}

}  // namespace polyio
