#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <polyio/io/io.hpp>
#include <polyio/io/watchdog.hpp>
#include <polyio/linux/stack_sampler.hpp>
#include <polyio/linux/symbolizer.hpp>
#include <polyio/os/signals.hpp>
#include <polyio/os/socket.hpp>
#include <polyio/os/thread.hpp>
#include <thread>

namespace polyio {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t frames_shown = 16;  // of a deeper stack its two ends
constexpr auto patience = 200ms;          // with a thread that does not answer

// What the loop's thread is asked for, in its signal handler.
struct Look {
  Io& io;
  std::uint64_t held;  // the progress it was stuck at
  bool in_job = false;
  bool has_peer = false;
  os::RawAddress peer;

  static bool at(void* context) noexcept {
    Look& self = *static_cast<Look*>(context);
    if (self.io.progress() != self.held) return false;  // it went on meanwhile
    const Job* job = self.io.current_or_none();
    self.in_job = job != nullptr;
    if (job && job->serves >= 0) self.has_peer = os::peer_address_raw(job->serves, self.peer);
    return true;
  }
};

long long milliseconds(Nanoseconds span) { return span / 1ms; }

bool is_the_loop(std::string_view function) {
  return function.starts_with("polyio::Loop::") || function.starts_with("polyio::Io::run") ||
         function.starts_with("polyio::Io::service");
}

// The stack up to the loop, innermost first.
std::vector<os::Symbol> readable(const os::StackSample& sample) {
  const os::Symbolizer symbolizer;
  std::vector<os::Symbol> frames;
  for (std::size_t i = 0; i < sample.depth; ++i) {
    os::Symbol frame = symbolizer.at(sample.frames[i], i > 0);
    if (is_the_loop(frame.function) || is_the_loop(frame.within)) break;
    frames.push_back(std::move(frame));
  }
  return frames;
}

}  // namespace

class Watchdog::Impl {
 public:
  Impl(Io& io, Nanoseconds limit, std::function<void(std::string_view)> log)
      : io_(io),
        loop_(::pthread_self()),
        limit_(std::max(limit, Nanoseconds(1ms))),
        log_(std::move(log)) {
    POLYIO_ASSERT(!io.thread_per_job());
    thread_ = os::Thread([this] { watch(); }, os::Thread::default_stack);
  }
  ~Impl() {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }

  std::atomic<std::uint64_t> holds_{0};

 private:
  void watch();
  bool report(std::uint64_t held, Nanoseconds so_far);
  void report_end(Nanoseconds total);

  Io& io_;
  const pthread_t loop_;
  const Nanoseconds limit_;
  const std::function<void(std::string_view)> log_;
  os::StackSampler sampler_;
  std::string who_;  // holds or held the loop
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ending_ = false;
  os::Thread thread_;
};

void Watchdog::Impl::watch() {
  os::name_thread("watchdog");
  std::uint64_t seen = 1;
  TimePoint since = monotonic_now();
  bool reported = false;
  Nanoseconds report_after = limit_;
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, limit_ / 4, [&] { return ending_; })) {
    const std::uint64_t progress = io_.progress();
    const bool runs = progress % 2 == 0;
    const TimePoint now = monotonic_now();
    if (runs && progress == seen && now - since >= report_after) {
      if (!std::exchange(reported, true)) holds_.fetch_add(1, std::memory_order_relaxed);
      report_after = Nanoseconds::max();
      try {
        // On a busy machine the thread may not get to answer: later it will.
        if (!report(progress, now - since)) report_after = 2 * (monotonic_now() - since);
      } catch (const std::exception& error) {  // no memory for names and lines
        log_(error.what());
      }
    } else if (progress != seen) {
      if (std::exchange(reported, false)) report_end(now - since);
      seen = progress;
      since = now;
      report_after = limit_;
    }
  }
  if (reported) report_end(monotonic_now() - since);
}

// False: where the loop is held is not known.
bool Watchdog::Impl::report(std::uint64_t held, Nanoseconds so_far) {
  char name[16] = "?";
  (void)::pthread_getname_np(loop_, name, sizeof name);
  Look look{io_, held};
  os::StackSample sample;
  bool stopped = false;
  // A stack so short is one that could not be unwound: another moment may do better.
  for (int i = 0; i < 5 && sample.depth < 3; ++i) {
    if (i > 0) std::this_thread::sleep_for(1ms);
    if (!sampler_.sample(loop_, Look::at, &look, sample, patience)) break;
    stopped = true;
  }
  who_ = name;
  std::string what = "what was posted to it";
  if (look.in_job) what = "a handler";
  if (look.has_peer) what = "the handler of " + look.peer.address().text();
  const auto frames = stopped ? readable(sample) : std::vector<os::Symbol>();
  std::string where = "where is not known";
  if (!frames.empty()) {
    // The program's own code rather than the library function it is in.
    const auto own = std::ranges::find_if(frames, [](const auto& f) { return !f.file.empty(); });
    where = "in " + (own == frames.end() ? frames.front() : *own).text;
  }
  if (!stopped) what = "a handler";
  log_(fmt::format("watchdog: {} is held for {} ms so far by {}, {}", who_, milliseconds(so_far),
                   what, where));
  const std::size_t left_out = frames.size() > frames_shown ? frames.size() - frames_shown : 0;
  for (std::size_t i = 0; i < frames.size(); ++i) {
    if (left_out > 0 && i == frames_shown / 2) {
      log_(fmt::format("watchdog:   ({} frames left out)", left_out));
      i += left_out;
    }
    const std::string& within = frames[i].within;
    log_(fmt::format("watchdog:   #{} {}{}{}", i, frames[i].text,
                     within.empty() ? "" : ", inlined into ", within));
  }
  return stopped;
}

void Watchdog::Impl::report_end(Nanoseconds total) {
  log_(fmt::format("watchdog: {} goes on after {} ms", who_, milliseconds(total)));
}

Watchdog::Watchdog(Io& io, Nanoseconds limit, std::function<void(std::string_view)> log)
    : impl_(std::make_unique<Impl>(io, limit, std::move(log))) {}
Watchdog::~Watchdog() = default;

std::uint64_t Watchdog::holds() const noexcept { return impl_->holds_.load(); }

}  // namespace polyio
