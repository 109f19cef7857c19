// ReadyQueue: the jobs of an Io that can go on, in the order in which they became ready. The
// scheduler takes a batch of them per turn, so what becomes ready meanwhile waits until events have
// been looked at again. First come, first served is to run them in this order; where the policy is
// another, the scheduler sorts what it takes (src/io/ordered_loop.hpp). Not thread-safe.
#pragma once

#include <polyio/io/job.hpp>

namespace polyio {

class ReadyQueue {
 public:
  using Batch = List<Job, ReadyTag>;

  bool empty() const noexcept { return jobs_.empty(); }
  // The job goes on when its turn comes. It must not be in the queue already.
  void push(Job& job) noexcept { jobs_.push_back(job); }
  // Moves the jobs of the next turn to the end of `batch`.
  void take_batch(Batch& batch) noexcept { batch.splice_back(jobs_); }
  // Takes the job that goes on next; nullptr: none is ready.
  Job* take() noexcept { return jobs_.pop_front(); }

 private:
  List<Job, ReadyTag> jobs_;
};

}  // namespace polyio
