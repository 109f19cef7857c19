#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <memory>
#include <polyio/base/assert.hpp>
#include <polyio/os/thread.hpp>
#include <system_error>
#include <utility>

namespace polyio::os {
namespace {

using Work = std::move_only_function<void()>;

// An exception that leaves `work` ends the process, as with std::thread.
void* run(void* argument) noexcept {
  const std::unique_ptr<Work> work(static_cast<Work*>(argument));
  (*work)();
  return nullptr;
}

}  // namespace

Thread::Thread(Work work, std::size_t stack_bytes) {
  auto owned = std::make_unique<Work>(std::move(work));
  pthread_attr_t attributes;
  int error = ::pthread_attr_init(&attributes);
  if (error) throw std::system_error(error, std::generic_category(), "pthread_attr_init");
  if (stack_bytes) error = ::pthread_attr_setstacksize(&attributes, stack_bytes);
  if (!error) error = ::pthread_create(&id_, &attributes, run, owned.get());
  ::pthread_attr_destroy(&attributes);
  if (error) throw std::system_error(error, std::generic_category(), "pthread_create");
  (void)owned.release();
  joinable_ = true;
}

Thread& Thread::operator=(Thread&& other) noexcept {
  POLYIO_ASSERT(!joinable_);
  id_ = other.id_;
  joinable_ = std::exchange(other.joinable_, false);
  return *this;
}

Thread::~Thread() { POLYIO_ASSERT(!joinable_); }

void Thread::join() noexcept {
  if (std::exchange(joinable_, false)) ::pthread_join(id_, nullptr);
}

bool Thread::try_join() noexcept {
#if defined(__linux__)
  if (joinable_ && ::pthread_tryjoin_np(id_, nullptr) != 0) return false;
  joinable_ = false;
#else
  join();
#endif
  return true;
}

void Thread::detach() noexcept {
  if (std::exchange(joinable_, false)) ::pthread_detach(id_);
}

ThreadReference ThreadReference::current() noexcept {
  ThreadReference thread;
#if defined(__linux__)
  thread.id_ = ::gettid();
#endif
  (void)::pthread_getcpuclockid(::pthread_self(), &thread.clock_);
  return thread;
}

Nanoseconds ThreadReference::processor_time() const noexcept {
  timespec time{};
  (void)::clock_gettime(clock_, &time);
  return std::chrono::seconds(time.tv_sec) + Nanoseconds(time.tv_nsec);
}

bool ThreadReference::demote() const noexcept {
#if defined(__linux__)
  const sched_param none{};
  return ::sched_setscheduler(id_, SCHED_IDLE, &none) == 0;
#else
  return false;
#endif
}

void be_nice(int steps) noexcept {
#if defined(__linux__)
  const auto thread = static_cast<id_t>(::gettid());
  (void)::setpriority(PRIO_PROCESS, thread, ::getpriority(PRIO_PROCESS, thread) + steps);
#else
  (void)steps;
#endif
}

std::string this_thread_text() {
  char name[16] = "";
  ::pthread_getname_np(::pthread_self(), name, sizeof name);
  return std::string(name) + " " + std::to_string(::gettid());
}

}  // namespace polyio::os
