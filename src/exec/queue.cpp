#include <polyio/exec/queue.hpp>

namespace polyio::ipc::detail {

Task<Result<>> wait_for_watch(Io& io, QueueWatch& watch) {
  Job& job = io.current();
  while (job.scope->cancelled()) {  // park() tells with which error
    auto refused = co_await io.park();
    if (!refused) co_return refused;
  }
  if (auto begun = watch.begin(); !begun) co_return begun;
  for (;;) {
    auto parked = co_await io.park();
    if (!parked) {
      watch.end();
      co_return parked;
    }
    if (watch.was_woken()) co_return Result<>();
  }
}

}  // namespace polyio::ipc::detail
