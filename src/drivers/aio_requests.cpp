#include "aio_requests.hpp"

#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <polyio/base/assert.hpp>
#include <polyio/base/sanitizers.hpp>
#include <utility>

namespace polyio::aio {
namespace {

// A signal's value is a pointer wide: a request's index below, as much of its generation above.
constexpr int index_bits = 11;
static_assert(most_connections * 2 <= 1u << index_bits);
constexpr std::uint64_t generation_mask = UINTPTR_MAX >> index_bits;

std::atomic<int> handlers_inside{0};  // handlers that may still touch a request or a mailbox

}  // namespace

int completion_signal() noexcept { return SIGRTMAX - 1; }

int Request::read(Mailbox& owner, int fd, void* data, std::size_t size) noexcept {
  return begin(owner, fd, data, size, ::aio_read);
}

int Request::write(Mailbox& owner, int fd, const void* data, std::size_t size) noexcept {
  return begin(owner, fd, const_cast<void*>(data), size, ::aio_write);
}

int Request::begin(Mailbox& owner, int fd, void* data, std::size_t size,
                   int (*call)(aiocb*)) noexcept {
  owner_.store(&owner, std::memory_order_relaxed);
  lost = false;
  generation_ = (generation_ + 1) & generation_mask;
  block_.aio_fildes = fd;
  block_.aio_buf = data;
  block_.aio_nbytes = size;
  block_.aio_sigevent.sigev_notify = SIGEV_SIGNAL;
  block_.aio_sigevent.sigev_signo = completion_signal();
  block_.aio_sigevent.sigev_value.sival_ptr =
      std::bit_cast<void*>(static_cast<std::uintptr_t>(generation_ << index_bits | index_));
  stage_.store(in(generation_, started), std::memory_order_release);
  if (call(&block_) == 0) return 0;
  const int error = errno;
  stage_.store(in(generation_, idle), std::memory_order_release);
  return -error;
}

std::int64_t Request::result() noexcept {
  const int error = ::aio_error(&block_);
  POLYIO_ASSERT(error != EINPROGRESS);
  const ssize_t count = ::aio_return(&block_);
  stage_.store(in(generation_, idle), std::memory_order_release);
  return error ? -error : count;
}

bool Request::suspect(Suspicion what) noexcept {
  const std::uint64_t present = generation_ << 1 | static_cast<std::uint64_t>(what);
  return std::exchange(suspected_, present) == present;
}

void Request::collect() noexcept {
  if (!over()) return;
  // Its helper may still be reading the block, to notify; it holds glibc's lock until it is through
  // with it, and this waits for the lock.
  (void)::aio_cancel(block_.aio_fildes, &block_);
  (void)end(generation_);
}

// Of all that tell of the end of one use of the request one succeeds.
bool Request::end(std::uint64_t generation) noexcept {
  std::uint64_t stage = in(generation, started);
  if (!stage_.compare_exchange_strong(stage, in(generation, ended))) return false;
  Mailbox& box = *owner_.load(std::memory_order_relaxed);
  Request* first = box.ended_.load(std::memory_order_relaxed);
  do {
    next_ = first;
  } while (!box.ended_.compare_exchange_weak(first, this, std::memory_order_seq_cst));
  box.wake_sleeper();
  return true;
}

void Request::ask_to_look() noexcept {
  if ((stage_.load() & ((1u << stage_bits) - 1)) != started) return;
  Mailbox& box = *owner_.load(std::memory_order_relaxed);
  box.look_.store(true);
  box.wake_sleeper();
}

// Its own thread is got out of its wait by the signal itself.
void Mailbox::wake_sleeper() noexcept {
  const pthread_t sleeper = sleeper_.load(std::memory_order_seq_cst);
  if (sleeper != pthread_t{} && sleeper != ::pthread_self()) wake();
}

Mailbox::~Mailbox() {
  // The handler that brought the last request may still be about to wake us.
  while (handlers_inside.load() > 0) ::sched_yield();
}

Request* Mailbox::take() noexcept {
  if (!ended_.load(std::memory_order_relaxed)) return nullptr;
  Request* last = ended_.exchange(nullptr, std::memory_order_acquire);
  Request* first = nullptr;
  while (last) {  // they were stacked
    Request* const before = std::exchange(last->next_, first);
    first = last;
    last = before;
  }
  return first;
}

// --- the process ---

Connections& Connections::instance() {
  static Connections& connections = *new Connections;  // never destroyed: signals may come late
  return connections;
}

// A notification waits as a queued signal. When the user's are all in use glibc drops it and puts
// its error into the result's place; so no more requests are let in than a part of them.
Connections::Connections() : limit_(most_connections) {
  rlimit pending{};
  if (::getrlimit(RLIMIT_SIGPENDING, &pending) == 0 && pending.rlim_cur != RLIM_INFINITY) {
    limit_ = static_cast<unsigned>(std::min<rlim_t>(limit_, pending.rlim_cur / 4));
  }
  for (std::uint32_t permit = limit_; permit-- > 0;) free_.push_back(permit);
}

std::optional<std::uint32_t> Connections::take() {
  const std::lock_guard lock(mutex_);
  if (free_.empty()) return std::nullopt;
  const std::uint32_t permit = free_.back();
  if (!pair(permit)) {  // std::bad_alloc leaves the permit where it is
    Pair* const made = new Pair;
    made->reader.index_ = permit * 2;
    made->writer.index_ = permit * 2 + 1;
    made->writer.writes = true;
    pairs_[permit].store(made, std::memory_order_release);
  }
  free_.pop_back();
  return permit;
}

void Connections::give_back(std::uint32_t permit) {
  const std::lock_guard lock(mutex_);
  free_.push_back(permit);
}

Request* Connections::find(std::uint32_t index) noexcept {
  if (index / 2 >= pairs_.size()) return nullptr;
  Pair* const both = pair(index / 2);
  if (!both) return nullptr;
  return index % 2 ? &both->writer : &both->reader;
}

// --- the signal ---

namespace {
Connections* connections;  // before the handler is there
}

void on_signal(int, siginfo_t* info, void*) {
  const int saved = errno;
  handlers_inside.fetch_add(1);
#if POLYIO_TSAN
  // ThreadSanitizer puts signals off and keeps one of each number: this may stand for several.
  (void)info;
  for (std::uint32_t i = 0; i < most_connections * 2; ++i) {
    if (Request* const request = connections->find(i)) request->ask_to_look();
  }
#else
  const auto value = std::bit_cast<std::uintptr_t>(info->si_value.sival_ptr);
  if (info->si_code == SI_ASYNCIO) {
    Request* const request = connections->find(value & ((1u << index_bits) - 1));
    if (request) (void)request->end(value >> index_bits);
  }
#endif
  handlers_inside.fetch_sub(1);
  errno = saved;
}

void take_signals() noexcept {
  sigset_t ours;
  sigemptyset(&ours);
  sigaddset(&ours, completion_signal());
  siginfo_t info;
  constexpr timespec at_once{};
  while (::sigtimedwait(&ours, &info, &at_once) > 0) on_signal(completion_signal(), &info, nullptr);
}

void keep_idle_helpers(int seconds) noexcept {
#ifdef __GLIBC__
  aioinit settings{};
  settings.aio_threads = most_connections + helpers_for_writes;
  settings.aio_num = 64;
  settings.aio_idle_time = seconds;
  ::aio_init(&settings);
#else
  (void)seconds;
#endif
}

namespace {
std::mutex taking;
int takers = 0;
}  // namespace

SignalTaken::SignalTaken() {
  const std::lock_guard lock(taking);
  if (takers == 0) {
    connections = &Connections::instance();
    struct sigaction action{}, before{};
    action.sa_sigaction = on_signal;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    sigfillset(&action.sa_mask);
    if (::sigaction(completion_signal(), nullptr, &before) != 0 || (before.sa_flags & SA_SIGINFO) ||
        before.sa_handler != SIG_DFL || ::sigaction(completion_signal(), &action, nullptr) != 0) {
      problem_ = "signal SIGRTMAX-1 has another use in this process";
      return;
    }
    first_ = true;
  }
  ++takers;
}

SignalTaken::~SignalTaken() {
  if (!problem_.empty()) return;
  const std::lock_guard lock(taking);
  if (--takers > 0) return;
  struct sigaction ignored{}, before{};
  ignored.sa_handler = SIG_IGN;
  before.sa_handler = SIG_DFL;
  // One that came too late to tell anything may be pending: ignoring it first drops it.
  (void)::sigaction(completion_signal(), &ignored, nullptr);
  (void)::sigaction(completion_signal(), &before, nullptr);
}

}  // namespace polyio::aio
