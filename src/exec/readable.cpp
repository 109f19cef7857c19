#include <polyio/exec/join.hpp>
#include <polyio/exec/readable.hpp>
#include <polyio/linux/fd_watcher.hpp>

namespace polyio {
namespace {

class Waiting final : public os::FdWatch {
 public:
  explicit Waiting(Job& job) noexcept : job_(job) {}
  ~Waiting() override { os::unwatch(*this); }

 private:
  // Under the watcher's lock, which the job takes before it goes.
  void on_ready() noexcept override { job_.io.unpark(job_); }
  Job& job_;
};

}  // namespace

Task<Result<>> readable(Io& io, int fd) {
  Job& job = io.current();
  while (job.scope->cancelled()) {  // park() tells with which error
    auto refused = co_await io.park();
    if (!refused) co_return refused;
  }
  Waiting waiting(job);
  if (auto begun = os::watch_readable(waiting, fd); !begun) co_return begun;
  for (;;) {
    auto parked = co_await io.park();
    if (!os::is_watched(waiting)) co_return Result<>();  // what arrived wins over a cancellation
    if (parked) continue;
    if (!os::unwatch(waiting)) co_return Result<>();
    co_return parked;
  }
}

Task<Result<>> process::join(Io& io, Process& process) {
  for (;;) {
    auto watch = process.watch();
    if (!watch) co_return fail(watch.error());
    const int pidfd = (*watch)->fd();
    if (pidfd < 0) co_return Result<>();
    auto ended = co_await readable(io, pidfd);
    if (!ended) co_return ended;
  }
}

}  // namespace polyio
