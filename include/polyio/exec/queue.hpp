// co_await on the queues between processes (room queue), under every I/O model: `auto message =
// co_await get(io, queue);`. The task waits, its Io goes on; one thread of the program watches all
// queues that are waited for. Cancel and deadline are those of the scope. A message is taken by the
// task itself, when it runs: a cancelled task has taken none.
#pragma once

#include <polyio/io/waiter.hpp>
#include <polyio/queue/queue.hpp>
#include <polyio/queue/queue_watch.hpp>

namespace polyio::ipc {

namespace detail {

// A wait until it is worth trying again. Errors: EAGAIN, no thread can be had.
template <class Core>
class QueueRequest : public polyio::detail::Waiter, private QueueWatchOf<Core> {
 public:
  using For = QueueWatchOf<Core>::For;
  QueueRequest(Core& core, For what, std::size_t size) noexcept
      : Waiter(QueueWatch::mutex()), QueueWatchOf<Core>(core, what, size) {}
  Result<> value() noexcept { return {}; }

 protected:
  bool take() override { return false; }
  void queue() noexcept override {
    if (auto begun = watch().begin(); !begun) refuse(begun.error());
  }
  bool withdraw() noexcept override {
    watch().end();
    return true;
  }

 private:
  QueueWatch& watch() noexcept { return *this; }
  void woken() noexcept override { Waiter::end(); }
};

template <class Queue>
using QueueWait = polyio::detail::WaitAwaiter<QueueRequest<typename Queue::Core>>;

}  // namespace detail

// The next message, of a ByteQueue or a Queue<T>. Errors: as its get(); those of the scope. Waits
// as long as it takes: put a CancelScope around it for a deadline.
template <class Queue>
Task<Result<typename Queue::Value>> get(Io& io, Queue queue) {
  for (;;) {
    Result<typename Queue::Value> got = queue.try_get();
    if (got || got.error() != errno_code(EAGAIN)) co_return got;
    using Request = detail::QueueRequest<typename Queue::Core>;
    detail::QueueWait<Queue> wait(io, queue.core(), Request::For::get, 0u);
    auto waited = co_await wait;
    if (!waited) co_return fail(waited.error());
  }
}

// Puts `value` behind the messages that are there; it is used until this returns. Errors: as its
// put(); those of the scope.
template <class Queue>
Task<Result<>> put(Io& io, Queue queue, const typename Queue::Message& value) {
  std::vector<std::byte> kept;
  const std::span<const std::byte> bytes = queue.bytes_of(value, kept);
  for (;;) {
    Result<> done = queue.bytes().try_put(bytes);
    if (done || done.error() != errno_code(EAGAIN)) co_return done;
    using Request = detail::QueueRequest<typename Queue::Core>;
    detail::QueueWait<Queue> wait(io, queue.core(), Request::For::put, bytes.size());
    auto waited = co_await wait;
    if (!waited) co_return waited;
  }
}

}  // namespace polyio::ipc
