// Queue<T> and ByteQueue: messages from any number of producers to any number of consumers, threads
// or processes, in shared memory; anonymous, for the processes forked from now on and those it is
// sent to, or by name. Bounded, so a fast producer waits. The guarantee: whichever process is
// killed, at any instruction, a message is there as a whole or not at all, once, in the order of
// its producer, and no other process waits for the dead one. Every message put is got once; a
// consumer killed within get() may take one with it, one killed within take() leaves it to the
// next. The memory goes with the last process that has it.
//
// Cost of a message, when neither side has to wait: no system call; on each side two locked
// instructions, one copy and, for a Queue<T>, serialising. Allocations: what get() returns, and
// what T's members need. When one side waits for the other, each of them makes one futex(2) call.
#pragma once

#include <memory>
#include <polyio/ipc/shared_memory.hpp>
#include <polyio/queue/queue_core.hpp>
#include <polyio/queue/queue_producer.hpp>
#include <string_view>
#include <vector>

namespace polyio::ipc {

struct QueueOptions {
  std::size_t bytes = 256 * 1024;  // room for messages; each takes its length and 8 to 15 more
  std::uint32_t messages = 0;      // at most; 0: no limit but the bytes
  std::size_t largest = 0;         // message; 0: a quarter of `bytes`
  std::uint32_t producers = 1;     // that must have come before their absence is the end of file

  // `bytes` rounded up to a power of two, and so that the largest message fits. Throws
  // std::system_error, EINVAL, past QueueShape::max_capacity.
  QueueShape shape() const;
};

// The calling thread's buffer for one message, kept for the next.
class QueueScratch {
 public:
  QueueScratch() noexcept : bytes_(std::move(kept)) { bytes_.clear(); }
  ~QueueScratch() { kept = std::move(bytes_); }
  QueueScratch(const QueueScratch&) = delete;
  QueueScratch& operator=(const QueueScratch&) = delete;
  std::vector<std::byte>& operator*() noexcept { return bytes_; }

 private:
  static inline thread_local std::vector<std::byte> kept;
  std::vector<std::byte> bytes_;
};

// A handle, cheap to copy and to send to another process. Thread-safe.
template <class K>
class BasicByteQueue {
 public:
  using Core = QueueCore<K>;
  using Message = std::span<const std::byte>;  // what is put
  using Value = std::vector<std::byte>;        // what is got
  using Producer = BasicProducer<BasicByteQueue>;

  // Throws std::system_error, as SharedMemory does.
  explicit BasicByteQueue(const QueueOptions& options = {}) {
    QueueShape shape = options.shape();
    auto made = SharedMemory::create(QueueCore<K>::size_of(shape), layout(), maker(shape));
    if (!made) throw SharedMemory::explain(made.error(), {});
    adopt(std::move(*made));
  }
  // The queue of this name, made if no process has it. All must give the same options.
  explicit BasicByteQueue(std::string_view name, const QueueOptions& options = {}) {
    QueueShape shape = options.shape();
    auto opened = SharedMemory::open(name, QueueCore<K>::size_of(shape), layout(), maker(shape));
    if (!opened) throw SharedMemory::explain(opened.error(), name);
    adopt(std::move(*opened));
  }

  // Waits while it is full. Errors: timed_out; EPIPE, it is closed; EMSGSIZE, longer than the
  // limit; EBADMSG, the memory is damaged.
  Result<> put(std::span<const std::byte> bytes, Deadline deadline = never) noexcept {
    return core_.put(bytes, deadline);
  }
  // Without waiting. Errors: EAGAIN, it is full or another producer is at work; as above.
  Result<> try_put(std::span<const std::byte> bytes) noexcept {
    return again(core_.put(bytes, Deadline::min()));
  }
  // The next message, into `bytes`, whose memory is reused. Errors: timed_out; end_of_file, it is
  // empty, and either closed or the last Producer is gone; EBADMSG, the memory is damaged; ENOMEM,
  // and the message stays.
  Result<> get(std::vector<std::byte>& bytes, Deadline deadline = never) noexcept {
    try {
      return core_.take(
          [&](auto first, auto second) {
            bytes.assign(first.begin(), first.end());
            bytes.insert(bytes.end(), second.begin(), second.end());
          },
          deadline);
    } catch (const std::exception&) {
      return fail(ENOMEM);
    }
  }
  Result<std::vector<std::byte>> get(Deadline deadline = never) noexcept {
    std::vector<std::byte> bytes;
    if (auto got = get(bytes, deadline); !got) return fail(got.error());
    return bytes;
  }
  // Without waiting. Errors: EAGAIN, it is empty or another consumer is at work; as above.
  Result<> try_get(std::vector<std::byte>& bytes) noexcept {
    return again(get(bytes, Deadline::min()));
  }
  Result<std::vector<std::byte>> try_get() noexcept {
    std::vector<std::byte> bytes;
    if (auto got = try_get(bytes); !got) return fail(got.error());
    return bytes;
  }
  // Shows the next message to `visit(std::span<const std::byte>)`, where it lies, and removes it
  // when that returns: a consumer that is killed in there, or throws, leaves it to the next. So a
  // consumer that also shows its effect in shared memory by one store has it exactly once. Other
  // consumers wait meanwhile; do not get or take from the same queue in there (EDEADLK). Errors: as
  // get().
  template <class Visit>
  Result<> take(Visit&& visit, Deadline deadline = never) {
    return core_.take(
        [&](auto first, auto second) {
          if (second.empty()) {
            visit(first);
            return;
          }
          QueueScratch scratch;
          (*scratch).assign(first.begin(), first.end());
          (*scratch).insert((*scratch).end(), second.begin(), second.end());
          visit(std::span<const std::byte>(*scratch));
        },
        deadline);
  }

  // From now on puts fail, in all processes; what is there can still be got. Never waits.
  void close() noexcept { core_.close(); }
  bool closed() const noexcept { return core_.closed(); }
  // Messages in it, a moment ago.
  std::size_t size() const noexcept { return core_.size(); }
  std::size_t largest() const noexcept { return core_.shape().largest; }
  // A handle to put through, which is counted: when the last one in all processes has gone,
  // consumers get the end of file. Throws std::system_error, ENOSPC: more than 128 processes have
  // one.
  Producer producer() { return Producer(*this); }

  // For room exec, which is built on it.
  QueueCore<K>& core() noexcept { return core_; }
  BasicByteQueue& bytes() noexcept { return *this; }
  static Message bytes_of(Message message, std::vector<std::byte>&) noexcept { return message; }

  // The sender must keep it until the receiver has it.
  void save(serial::Writer& writer) const { SharedMemory::save_id(writer, memory_.id()); }
  void load(serial::Reader& reader) { adopt(SharedMemory::receive(reader, layout())); }

 private:
  static Result<> again(Result<> tried) noexcept {
    if (!tried && tried.error() == std::errc::timed_out) return fail(EAGAIN);
    return tried;
  }
  static Layout layout() noexcept {
    return {hash_of("polyio::ipc::QueueState"), 1, alignof(QueueState<K>)};
  }
  static SegmentMaker maker(QueueShape& shape) noexcept {
    return {[](void* memory, void* context) {
              QueueCore<K>::make(memory, *static_cast<QueueShape*>(context));
            },
            &shape};
  }
  void adopt(SharedMemory memory) {
    auto core = QueueCore<K>::of(memory.data(), memory.size());
    if (!core) throw SharedMemory::explain(core.error(), {});
    memory_ = std::move(memory);
    core_ = *core;
  }

  SharedMemory memory_;
  QueueCore<K> core_;
};

// The same for values of T, written by room serial.
template <class T, class K>
class BasicQueue {
 public:
  using Core = QueueCore<K>;
  using Message = T;
  using Value = T;
  using Producer = BasicProducer<BasicQueue>;

  explicit BasicQueue(const QueueOptions& options = {}) : bytes_(options) {}
  explicit BasicQueue(std::string_view name, const QueueOptions& options = {})
      : bytes_(name, options) {}

  // As ByteQueue's. Throws std::bad_alloc, and what serialising throws.
  Result<> put(const T& value, Deadline deadline = never) {
    QueueScratch scratch;
    return bytes_.put(bytes_of(value, *scratch), deadline);
  }
  Result<> try_put(const T& value) { return again(put(value, Deadline::min())); }
  // Errors: as ByteQueue's; protocol_error, the message is no T; it is removed.
  Result<T> get(Deadline deadline = never) {
    QueueScratch scratch;
    if (auto got = bytes_.get(*scratch, deadline); !got) return fail(got.error());
    serial::Reader reader(*scratch);
    return serial::read_all(reader, [](serial::Reader& from) {
      T value{};
      from(value);
      return value;
    });
  }
  Result<T> try_get() { return again(get(Deadline::min())); }
  void close() noexcept { bytes_.close(); }
  bool closed() const noexcept { return bytes_.closed(); }
  std::size_t size() const noexcept { return bytes_.size(); }
  Producer producer() { return Producer(*this); }
  BasicByteQueue<K>& bytes() noexcept { return bytes_; }
  QueueCore<K>& core() noexcept { return bytes_.core(); }
  // The bytes that are put for `value`, in `bytes`.
  static std::span<const std::byte> bytes_of(const T& value, std::vector<std::byte>& bytes) {
    serial::require_serialisable<T>();
    serial::Writer writer(bytes);
    writer(value);
    return bytes;
  }

  void save(serial::Writer& writer) const { bytes_.save(writer); }
  void load(serial::Reader& reader) { bytes_.load(reader); }

 private:
  template <class Answer>
  static Answer again(Answer tried) {
    if (!tried && tried.error() == std::errc::timed_out) return fail(EAGAIN);
    return tried;
  }

  BasicByteQueue<K> bytes_;
};

using ByteQueue = BasicByteQueue<SharedKernel>;
template <class T>
using Queue = BasicQueue<T, SharedKernel>;

}  // namespace polyio::ipc

// The same for the threads of one process, where sleeping and waking cost less.
namespace polyio::threads {
using ByteQueue = ipc::BasicByteQueue<ipc::ThreadKernel>;
template <class T>
using Queue = ipc::BasicQueue<T, ipc::ThreadKernel>;
}  // namespace polyio::threads
