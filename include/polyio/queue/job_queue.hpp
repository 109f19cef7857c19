// JobQueue<T>: a Queue whose messages are jobs, for many consumers that work at once. The
// guarantee: a message that was taken stays the queue's until its consumer says that it is done. If
// that gives it back, or its process ends in between, by whatever signal, it comes to another
// consumer, marked as taken before: each job is done at least once, and a consumer that must not do
// it twice looks at times(). In shared memory, between processes; anonymous or by name, as a Queue.
//
// Cost of a job beside a Queue's message: two more locked instructions and one copy. A killed
// consumer's job is seen by the others' waits within 50 ms.
#pragma once

#include <polyio/queue/job_queue_core.hpp>
#include <polyio/queue/queue.hpp>

namespace polyio::ipc {

struct JobQueueOptions {
  QueueOptions queue;
  std::uint32_t jobs = 64;  // at work at once, in all processes; each takes `queue.largest` bytes

  // Throws std::system_error, EINVAL, past JobQueueShape::max_jobs.
  JobQueueShape shape() const {
    const JobQueueShape made{queue.shape(), jobs};
    if (!made.can_be()) {
      throw std::system_error(errno_code(EINVAL),
                              "polyio: a job queue has 1 to 4,096 jobs at work");
    }
    return made;
  }
};

// A handle, cheap to copy and to send to another process. Thread-safe.
template <class T, class K>
class BasicJobQueue {
  struct Memory {
    SharedMemory segment;
    JobQueueCore<K> core;
  };

 public:
  // A job that was taken. Given back when it is destroyed before done(). Move-only; of the process
  // that took it, any thread of it.
  class [[nodiscard]] Job {
   public:
    Job() = default;
    Job(Job&& other) noexcept = default;
    Job& operator=(Job&& other) noexcept {
      if (this == &other) return *this;
      give_back();
      memory_ = std::move(other.memory_);
      index_ = other.index_;
      times_ = other.times_;
      value_ = std::move(other.value_);
      return *this;
    }
    ~Job() { give_back(); }
    explicit operator bool() const noexcept { return memory_ != nullptr; }

    T& value() noexcept { return value_; }
    T& operator*() noexcept { return value_; }
    T* operator->() noexcept { return &value_; }
    // How often it has been taken, this time included. More than 1: a consumer that had it before
    // ended, or gave it back, and may have done a part.
    std::uint32_t times() const noexcept { return times_; }
    // It never comes back.
    void done() noexcept {
      if (auto memory = std::exchange(memory_, nullptr)) memory->core.done(index_);
    }
    // It comes to the next taker, before what is in the queue.
    void give_back() noexcept {
      if (auto memory = std::exchange(memory_, nullptr)) memory->core.give_back(index_);
    }

   private:
    friend class BasicJobQueue;
    std::shared_ptr<Memory> memory_;
    std::uint32_t index_ = 0;
    std::uint32_t times_ = 0;
    T value_{};
  };

  // Both throw std::system_error, as SharedMemory does.
  explicit BasicJobQueue(const JobQueueOptions& options = {}) {
    JobQueueShape shape = options.shape();
    auto made = SharedMemory::create(JobQueueCore<K>::size_of(shape), layout(), maker(shape));
    if (!made) throw SharedMemory::explain(made.error(), {});
    adopt(std::move(*made));
  }
  // The queue of this name, made if no process has it. All must give the same options.
  explicit BasicJobQueue(std::string_view name, const JobQueueOptions& options = {}) {
    JobQueueShape shape = options.shape();
    auto opened = SharedMemory::open(name, JobQueueCore<K>::size_of(shape), layout(), maker(shape));
    if (!opened) throw SharedMemory::explain(opened.error(), name);
    adopt(std::move(*opened));
  }

  // Waits while it is full. Errors: timed_out; EPIPE, it is closed; EMSGSIZE, longer than the
  // limit; EBADMSG, the memory is damaged. Throws what serialising throws.
  Result<> put(const T& value, Deadline deadline = never) {
    QueueScratch scratch;
    return memory_->core.queue().put(BasicQueue<T, K>::bytes_of(value, *scratch), deadline);
  }
  // The next job. Errors: timed_out; end_of_file, the queue is closed and empty, and no other
  // consumer has a job that could come back; protocol_error, the message is no T, it is gone;
  // EBADMSG, the memory is damaged.
  Result<Job> take(Deadline deadline = never) {
    auto index = memory_->core.take(deadline);
    if (!index) return fail(index.error());
    Job job;
    job.memory_ = memory_;
    job.index_ = *index;
    job.times_ = memory_->core.times(*index);
    auto bytes = memory_->core.bytes(*index);
    if (!bytes) return fail(bytes.error());
    serial::Reader reader(*bytes);
    auto value = serial::read_all(reader, [](serial::Reader& from) {
      T read{};
      from(read);
      return read;
    });
    if (!value) {
      job.done();
      return fail(value.error());
    }
    job.value_ = std::move(*value);
    return job;
  }
  // Without waiting. Errors: EAGAIN, there is none now; as take().
  Result<Job> try_take() {
    auto job = take(Deadline::min());
    if (!job && job.error() == std::errc::timed_out) return fail(EAGAIN);
    return job;
  }

  // From now on puts fail, in all processes; what is there can still be taken.
  void close() noexcept { memory_->core.queue().close(); }
  bool closed() const noexcept { return memory_->core.queue().closed(); }
  // Jobs that wait to be taken, and that were taken and are not done; a moment ago.
  std::size_t size() const noexcept { return memory_->core.queue().size(); }
  std::size_t at_work() const noexcept { return memory_->core.claimed(); }

  // The sender must keep it until the receiver has it.
  void save(serial::Writer& writer) const { SharedMemory::save_id(writer, memory_->segment.id()); }
  void load(serial::Reader& reader) { adopt(SharedMemory::receive(reader, layout())); }

 private:
  static Layout layout() noexcept { return {hash_of("polyio::ipc::JobQueue"), 1, 64}; }
  static SegmentMaker maker(JobQueueShape& shape) noexcept {
    return {[](void* memory, void* context) {
              JobQueueCore<K>::make(memory, *static_cast<JobQueueShape*>(context));
            },
            &shape};
  }
  void adopt(SharedMemory segment) {
    auto core = JobQueueCore<K>::of(segment.data(), segment.size());
    if (!core) throw SharedMemory::explain(core.error(), {});
    memory_ = std::make_shared<Memory>(std::move(segment), *core);
  }

  std::shared_ptr<Memory> memory_;
};

template <class T>
using JobQueue = BasicJobQueue<T, SharedKernel>;

}  // namespace polyio::ipc
