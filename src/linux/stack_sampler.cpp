#include <execinfo.h>
#include <semaphore.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <ctime>
#include <mutex>
#include <polyio/base/assert.hpp>
#include <polyio/base/timespec.hpp>
#include <polyio/linux/stack_sampler.hpp>

namespace polyio::os {
namespace {

constexpr int sample_signal = SIGSTKFLT;

// The one question at a time. Static, so that an answer that comes late finds it. Its number is in
// the signal and in `stage`, so a late answer also sees that another thread is asked by now.
enum Stage : std::uint64_t { idle, asked, answering, answered };
struct Question {
  std::atomic<std::uint64_t> stage{idle};  // 4 * number + Stage
  StackSampler::Look look = nullptr;
  void* context = nullptr;
  StackSample* sample = nullptr;
  bool wanted = false;
  sem_t answered{};
};
Question question;
std::mutex mutex;  // held while sampling; guards what follows
int samplers = 0;
std::uint64_t number = 0;  // of the question
struct sigaction before;

// Where the function that was just called goes back to. For the linker's stubs, which unwinding
// can't get out of: nothing is on the stack above it yet.
const void* return_address(const void* context) noexcept {
  const auto& machine = static_cast<const ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
  // NOLINTNEXTLINE(performance-no-int-to-ptr): a register
  return *reinterpret_cast<const void* const*>(machine.gregs[REG_RSP]);
#elif defined(__aarch64__)
  // NOLINTNEXTLINE(performance-no-int-to-ptr): a register
  return reinterpret_cast<const void*>(machine.regs[30]);
#else
  (void)machine;
  return nullptr;
#endif
}

const void* interrupted_at(const void* context) noexcept {
  const auto& machine = static_cast<const ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
  // NOLINTNEXTLINE(performance-no-int-to-ptr): a register
  return reinterpret_cast<const void*>(machine.gregs[REG_RIP]);
#elif defined(__aarch64__)
  // NOLINTNEXTLINE(performance-no-int-to-ptr): a register
  return reinterpret_cast<const void*>(machine.pc);
#else
  (void)machine;
  return nullptr;
#endif
}

// The stack without the handler's own frames, which come first.
void write_stack(StackSample& sample, const void* context) noexcept {
  const void* const at = interrupted_at(context);
  void* all[std::tuple_size_v<decltype(sample.frames)> + 8];
  const int depth = ::backtrace(all, static_cast<int>(std::size(all)));
  void** const end = all + std::max(depth, 0);
  void** const begin = std::find(all, end, at);
  sample.depth = 0;
  sample.frames[sample.depth++] = at;
  for (void** frame = begin == end ? all : begin + 1; frame < end; ++frame) {
    if (sample.depth == sample.frames.size()) break;
    sample.frames[sample.depth++] = *frame;
  }
  if (sample.depth == 1) sample.frames[sample.depth++] = return_address(context);
}

void answer(int signal, siginfo_t* info, void* context) {
  const int saved = errno;
  const bool ours = info->si_code == SI_QUEUE && info->si_pid == ::getpid();
  const std::uint64_t base = 4 * reinterpret_cast<std::uintptr_t>(info->si_value.sival_ptr);
  std::uint64_t expected = base + asked;
  if (!ours) {
    if (before.sa_flags & SA_SIGINFO) {
      before.sa_sigaction(signal, info, context);
    } else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) {
      before.sa_handler(signal);
    }
  } else if (question.stage.compare_exchange_strong(expected, base + answering)) {
    question.wanted = question.look(question.context);
    if (question.wanted) write_stack(*question.sample, context);
    question.stage.store(base + answered);
    ::sem_post(&question.answered);
  }
  errno = saved;
}

bool wait_for_answer(Nanoseconds patience) {
  timespec until{};
  ::clock_gettime(CLOCK_REALTIME, &until);
  const auto end = std::chrono::seconds(until.tv_sec) + Nanoseconds(until.tv_nsec) + patience;
  until = to_timespec(end);
  while (::sem_timedwait(&question.answered, &until) != 0) {
    if (errno == EINTR) continue;
    std::uint64_t expected = 4 * number + asked;
    if (question.stage.compare_exchange_strong(expected, idle)) return false;
    while (::sem_wait(&question.answered) != 0) {  // it is just answering
    }
    break;
  }
  return true;
}

}  // namespace

StackSampler::StackSampler() {
  const std::lock_guard lock(mutex);
  if (samplers++ > 0) return;
  void* warm_up[2];  // the first call loads libgcc, which no signal handler may
  (void)::backtrace(warm_up, 2);
  ::sem_init(&question.answered, 0, 0);
  struct sigaction action{};
  action.sa_sigaction = answer;
  action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
  ::sigaction(sample_signal, &action, &before);
}

StackSampler::~StackSampler() {
  const std::lock_guard lock(mutex);
  if (--samplers > 0) return;
  struct sigaction now{};
  ::sigaction(sample_signal, nullptr, &now);
  const bool ours = (now.sa_flags & SA_SIGINFO) && now.sa_sigaction == answer;
  // A question that was not answered may still come: by default it would end the process.
  if (before.sa_handler == SIG_DFL) before.sa_handler = SIG_IGN;
  if (ours) ::sigaction(sample_signal, &before, nullptr);
}

bool StackSampler::sample(pthread_t thread, Look look, void* context, StackSample& sample,
                          Nanoseconds patience) {
  const std::lock_guard lock(mutex);
  POLYIO_ASSERT(samplers > 0);
  ++number;
  question.look = look;
  question.context = context;
  question.sample = &sample;
  question.wanted = false;
  question.stage.store(4 * number + asked);
  sigval mark{};
  // NOLINTNEXTLINE(performance-no-int-to-ptr): a signal carries a pointer or an int
  mark.sival_ptr = reinterpret_cast<void*>(number);
  if (::pthread_sigqueue(thread, sample_signal, mark) != 0 || !wait_for_answer(patience)) {
    question.stage.store(idle);
    return false;
  }
  question.stage.store(idle);
  return question.wanted;
}

}  // namespace polyio::os
