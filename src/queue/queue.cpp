#include <pthread.h>

#include <mutex>
#include <polyio/queue/queue.hpp>

namespace polyio::ipc {
namespace {

struct LiveProducers {
  std::mutex mutex;
  List<LiveProducer, LiveProducerTag> all;
  int error = 0;  // why a fork's child could not be counted
};

LiveProducers& live_producers() {
  static LiveProducers& live = *new LiveProducers;  // never destroyed
  [[maybe_unused]] static const bool registered = [] {
    // Their own fork handlers must run before this one, which needs them.
    (void)SharedKernel::self();
    (void)SharedKernel::process();
    live.error = ::pthread_atfork(
        [] { live_producers().mutex.lock(); }, [] { live_producers().mutex.unlock(); },
        [] {
          LiveProducers& of_child = live_producers();
          for (LiveProducer* it = of_child.all.front(); it; it = of_child.all.next(*it)) {
            it->count_in();
          }
          of_child.mutex.unlock();
        });
    return true;
  }();
  return live;
}

}  // namespace

void LiveProducer::enlist() {
  LiveProducers& live = live_producers();
  if (live.error) throw std::system_error(errno_code(live.error), "polyio: pthread_atfork");
  const std::lock_guard lock(live.mutex);
  live.all.push_back(*this);
}

void LiveProducer::delist() noexcept {
  LiveProducers& live = live_producers();
  const std::lock_guard lock(live.mutex);
  unlink();
}

QueueShape QueueOptions::shape() const {
  const std::size_t longest = largest ? largest : bytes / 4;
  if (std::max(bytes, longest) > QueueShape::max_capacity / 2) {
    throw std::system_error(errno_code(EINVAL), "polyio: a queue has 2 GiB at most");
  }
  const std::size_t least = std::max(bytes, longest + 2 * Record::unit);
  QueueShape made;
  made.capacity = std::bit_ceil(std::max<std::uint64_t>(least, 64));
  made.largest = static_cast<std::uint32_t>(longest);
  made.messages = messages;
  made.producers = producers;
  return made;
}

}  // namespace polyio::ipc
