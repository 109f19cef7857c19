// co_await on the queues between processes (room ipc), under every I/O model: `auto message =
// co_await get(io, queue);`. The task waits, its Io goes on; one thread of the program watches all
// queues that are waited for. Cancel and deadline are those of the scope. A message is taken by the
// task itself, when it runs: a cancelled task has taken none.
#pragma once

#include <polyio/io/io.hpp>
#include <polyio/queue/queue.hpp>
#include <polyio/queue/queue_watch.hpp>

namespace polyio::ipc {

namespace detail {

// Until it is worth trying again. Errors: operation_canceled and timed_out of the scope; EAGAIN, no
// thread can be had.
Task<Result<>> wait_for_watch(Io& io, QueueWatch& watch);

struct Unpark {
  Job* job;
  void operator()() const noexcept { job->io.unpark(*job); }
};
template <class Queue>
using WatchOf = QueueWatchOf<typename Queue::Core, Unpark>;

}  // namespace detail

// The next message, of a ByteQueue or a Queue<T>. Errors: as its get(); those of the scope. Waits
// as long as it takes: put a CancelScope around it for a deadline.
template <class Queue>
Task<Result<typename Queue::Value>> get(Io& io, Queue queue) {
  for (;;) {
    Result<typename Queue::Value> got = queue.try_get();
    if (got || got.error() != errno_code(EAGAIN)) co_return got;
    using Watch = detail::WatchOf<Queue>;
    Watch watch(queue.core(), Watch::For::get, 0, detail::Unpark{&io.current()});
    auto waited = co_await detail::wait_for_watch(io, watch);
    if (!waited) co_return fail(waited.error());
  }
}

// Behind all that was put before. `value` is used until it returns. Errors: as its put(); those of
// the scope.
template <class Queue>
Task<Result<>> put(Io& io, Queue queue, const typename Queue::Message& value) {
  std::vector<std::byte> kept;
  const std::span<const std::byte> bytes = queue.bytes_of(value, kept);
  for (;;) {
    Result<> done = queue.bytes().try_put(bytes);
    if (done || done.error() != errno_code(EAGAIN)) co_return done;
    using Watch = detail::WatchOf<Queue>;
    Watch watch(queue.core(), Watch::For::put, bytes.size(), detail::Unpark{&io.current()});
    auto waited = co_await detail::wait_for_watch(io, watch);
    if (!waited) co_return waited;
  }
}

}  // namespace polyio::ipc
