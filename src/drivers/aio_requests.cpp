#include "aio_requests.hpp"

#include <sched.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <new>
#include <polyio/base/assert.hpp>
#include <polyio/base/sanitizers.hpp>
#include <utility>

namespace polyio::aio {
namespace {

// A signal's value is a pointer wide: a request's index below, as much of its generation above.
constexpr int index_bits = 10;
static_assert(max_connections <= 1u << index_bits);
constexpr std::uint64_t generation_mask = UINTPTR_MAX >> index_bits;

std::atomic<int> signals_in_hand{0};  // threads that may still touch a request or a mailbox
Connections* connections;             // before the handler is there

}  // namespace

// What a signal does.
struct Signals {
  // `value`: what the request's aiocb said.
  static void take(int code, const void* value, const Mailbox* own) noexcept {
    if (code != SI_ASYNCIO) return;
    const auto bits = std::bit_cast<std::uintptr_t>(value);
    Request* const request = connections->find(bits & ((1u << index_bits) - 1));
    if (request) request->end(bits >> index_bits, own);
  }
  static void handle(int, siginfo_t* info, void*) noexcept {
    const int saved = errno;
    signals_in_hand.fetch_add(1);
#if POLYIO_TSAN
    // ThreadSanitizer puts signals off and keeps one of each number: this may stand for several.
    (void)info;
    for (std::uint32_t i = 0; i < max_connections; ++i) {
      if (Request* const request = connections->find(i)) request->ask_to_look();
    }
#else
    take(info->si_code, info->si_value.sival_ptr, nullptr);
#endif
    signals_in_hand.fetch_sub(1);
    errno = saved;
  }
};

int completion_signal() noexcept { return SIGRTMAX - 1; }

sigset_t completion_signals() noexcept {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, completion_signal());
  return set;
}

void take_signal(const siginfo_t& info) noexcept {
  Signals::take(info.si_code, info.si_value.sival_ptr, nullptr);
}

void take_signals(int signalfd, const Mailbox& own) noexcept {
  std::array<signalfd_siginfo, 16> infos;
  for (;;) {
    const ssize_t size = ::read(signalfd, infos.data(), sizeof infos);
    if (size <= 0) return;
    const auto count = static_cast<std::size_t>(size) / sizeof infos[0];
    for (std::size_t i = 0; i < count; ++i) {
      const auto value = static_cast<std::uintptr_t>(infos[i].ssi_ptr);
      Signals::take(infos[i].ssi_code, std::bit_cast<void*>(value), &own);
    }
    if (count < infos.size()) return;
  }
}

// --- a request ---

int Request::read(Mailbox& owner, int fd, void* data, std::size_t size) noexcept {
  owner_.store(&owner, std::memory_order_relaxed);
  generation_ = (generation_ + 1) & generation_mask;
  block_.aio_fildes = fd;
  block_.aio_buf = data;
  block_.aio_nbytes = size;
  block_.aio_sigevent.sigev_notify = SIGEV_SIGNAL;
  block_.aio_sigevent.sigev_signo = completion_signal();
  block_.aio_sigevent.sigev_value.sival_ptr =
      std::bit_cast<void*>(static_cast<std::uintptr_t>(generation_ << index_bits | index_));
  stage_.store(in(generation_, started), std::memory_order_release);
  if (::aio_read(&block_) == 0) return 0;
  const int error = errno;
  stage_.store(in(generation_, idle), std::memory_order_release);
  return -error;
}

// EAGAIN is not the read's, for the socket is a blocking one: glibc could not queue the signal, and
// writes that error over what the read had brought.
std::int64_t Request::result() noexcept {
  const int error = ::aio_error(&block_);
  POLYIO_ASSERT(error != EINPROGRESS);
  const ssize_t count = ::aio_return(&block_);
  stage_.store(in(generation_, idle), std::memory_order_release);
  if (error == EAGAIN) return -ENOBUFS;
  return error ? -error : count;
}

void Request::collect() noexcept {
  if (!over()) return;
  // Its helper may still be reading the block, to notify; it holds glibc's lock until it is through
  // with it, and this waits for the lock.
  (void)::aio_cancel(block_.aio_fildes, &block_);
  end(generation_, owner_.load(std::memory_order_relaxed));
}

// Of all that announce the end of one use of the request one succeeds.
void Request::end(std::uint64_t generation, const Mailbox* own) noexcept {
  std::uint64_t stage = in(generation, started);
  if (!stage_.compare_exchange_strong(stage, in(generation, ended))) return;
  Mailbox& box = *owner_.load(std::memory_order_relaxed);
  Request* first = box.ended_.load(std::memory_order_relaxed);
  do {
    next_ = first;
  } while (!box.ended_.compare_exchange_weak(first, this, std::memory_order_seq_cst));
  if (!first && &box != own) box.wakeup_.signal();
}

void Request::ask_to_look() noexcept {
  if ((stage_.load() & ((1u << stage_bits) - 1)) != started) return;
  Mailbox& box = *owner_.load(std::memory_order_relaxed);
  if (!box.look_.exchange(true)) box.wakeup_.signal();
}

// --- where they come back ---

// What brought the last request may still be about to wake us.
Mailbox::~Mailbox() {
  while (signals_in_hand.load() > 0) ::sched_yield();
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
  static Connections& all = *new Connections;  // never destroyed: signals may come late
  return all;
}

// A notification waits as a queued signal. When the user's are all in use glibc drops it and puts
// its error into the result's place; so no more requests are let in than a part of them.
Connections::Connections() : limit_(max_connections) {
  rlimit pending{};
  if (::getrlimit(RLIMIT_SIGPENDING, &pending) == 0 && pending.rlim_cur != RLIM_INFINITY) {
    limit_ = static_cast<unsigned>(std::min<rlim_t>(limit_, pending.rlim_cur / 4));
  }
  for (std::uint32_t permit = limit_; permit-- > 0;) free_.push_back(permit);
}

Result<std::uint32_t> Connections::take() noexcept {
  const std::lock_guard lock(mutex_);
  if (free_.empty()) return fail(EUSERS);
  const std::uint32_t permit = free_.back();
  if (!find(permit)) {
    auto* const made = new (std::nothrow) Request;
    if (!made) return fail(ENOMEM);
    made->index_ = permit;
    requests_[permit].store(made, std::memory_order_release);
  }
  free_.pop_back();
  return permit;
}

void Connections::give_back(std::uint32_t permit) {
  const std::lock_guard lock(mutex_);
  free_.push_back(permit);
}

void keep_idle_helpers(int seconds) noexcept {
#ifdef __GLIBC__
  aioinit settings{};
  settings.aio_threads = max_connections;
  settings.aio_num = 64;
  settings.aio_idle_time = seconds;
  ::aio_init(&settings);
#else
  (void)seconds;
#endif
}

// --- the handler ---

namespace {
std::mutex taking;
int takers = 0;
}  // namespace

SignalTaken::SignalTaken() {
  const std::lock_guard lock(taking);
  if (takers == 0) {
    connections = &Connections::instance();
    struct sigaction action{}, before{};
    action.sa_sigaction = Signals::handle;
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
  // One that came too late may be pending: ignoring it first drops it.
  (void)::sigaction(completion_signal(), &ignored, nullptr);
  (void)::sigaction(completion_signal(), &before, nullptr);
}

}  // namespace polyio::aio
