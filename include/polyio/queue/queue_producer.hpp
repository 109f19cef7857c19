// Producer: a handle to put into a queue, counted as a writer, like a pipe's write end: consumers
// get the end of file when none is left in any process, also after kill -9. A fork's child has
// those of its parent, as it has its descriptors. The rule: a process counts as long as a copy of
// the handle lives in it.
#pragma once

#include <cerrno>
#include <memory>
#include <polyio/base/clock.hpp>
#include <polyio/base/list.hpp>
#include <polyio/base/result.hpp>
#include <polyio/serial/serial.hpp>
#include <system_error>
#include <utility>

namespace polyio::ipc {

// A handle that lives in this process. The child of a fork(2) counts all of them anew, for itself,
// before fork() returns there.
struct LiveProducerTag;

class LiveProducer : public ListNode<LiveProducerTag> {
 public:
  LiveProducer(const LiveProducer&) = delete;
  LiveProducer& operator=(const LiveProducer&) = delete;
  // Called in the child, which has one thread: must not allocate or take a lock of this process.
  virtual void count_in() noexcept = 0;

 protected:
  LiveProducer() = default;
  ~LiveProducer() = default;
  void enlist();  // throws std::system_error, ENOMEM
  void delist() noexcept;
};

// Copies in one process share one entry. Thread-safe as the queue is.
template <class Queue>
class BasicProducer {
 public:
  // Empty, to be read by room serial.
  BasicProducer() noexcept = default;
  // Throws std::system_error, ENOSPC.
  explicit BasicProducer(const Queue& queue) : live_(std::make_shared<Live>(queue)) {}

  // As the queue's own. Errors, too: ENOSPC, in the child of a fork for which there was no room.
  Result<> put(const Queue::Message& value, Deadline deadline = never) {
    if (!counts()) return fail(ENOSPC);
    return live_->queue.put(value, deadline);
  }
  Result<> try_put(const Queue::Message& value) {
    if (!counts()) return fail(ENOSPC);
    return live_->queue.try_put(value);
  }
  explicit operator bool() const noexcept { return live_ != nullptr; }
  Queue& queue() const noexcept { return live_->queue; }

  // The receiver is counted when it reads it; the sender must keep it until then.
  void save(serial::Writer& writer) const {
    if (!live_) throw cereal::Exception("polyio: an empty Producer can't be sent");
    live_->queue.save(writer);
  }
  void load(serial::Reader& reader) {
    Queue queue;
    queue.load(reader);
    live_ = std::make_shared<Live>(queue);
  }

 private:
  struct Live final : LiveProducer {
    explicit Live(const Queue& of) : queue(of) {
      enlist();
      auto added = queue.core().add_producer(1, true);
      counts = added.has_value();
      if (counts) return;
      delist();
      throw std::system_error(added.error(), "polyio: a queue's producer");
    }
    ~Live() {
      delist();
      if (counts) queue.core().remove_producer();
    }
    void count_in() noexcept override { counts = queue.core().add_producer(1, false).has_value(); }

    Queue queue;
    bool counts = false;
  };

  bool counts() const noexcept { return live_ && live_->counts; }

  std::shared_ptr<Live> live_;
};

}  // namespace polyio::ipc
