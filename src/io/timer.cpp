#include <polyio/base/assert.hpp>
#include <polyio/io/timer.hpp>

namespace polyio {

void TimerHeap::place(std::size_t index, Entry entry) noexcept {
  heap_[index] = entry;
  entry.timer->index = static_cast<std::uint32_t>(index);
}

void TimerHeap::sift_up(std::size_t index, Entry entry) noexcept {
  while (index > 0) {
    const std::size_t parent = (index - 1) / 2;
    if (heap_[parent].at <= entry.at) break;
    place(index, heap_[parent]);
    index = parent;
  }
  place(index, entry);
}

void TimerHeap::sift_down(std::size_t index, Entry entry) noexcept {
  const std::size_t size = heap_.size();
  for (;;) {
    std::size_t child = 2 * index + 1;
    if (child >= size) break;
    if (child + 1 < size && heap_[child + 1].at < heap_[child].at) ++child;
    if (entry.at <= heap_[child].at) break;
    place(index, heap_[child]);
    index = child;
  }
  place(index, entry);
}

bool TimerHeap::arm(Timer& timer, Deadline deadline) {
  timer.deadline = deadline;
  if (timer.index == Timer::unarmed) {
    if (deadline == never) return false;
    heap_.push_back({});
    sift_up(heap_.size() - 1, {deadline, &timer});
  } else if (deadline < heap_[timer.index].at) {
    sift_up(timer.index, {deadline, &timer});
  } else {
    return false;  // its entry stays, and is put right when it comes up
  }
  return timer.index == 0;
}

void TimerHeap::disarm(Timer& timer) noexcept {
  const std::size_t index = timer.index;
  if (index == Timer::unarmed) return;
  timer.index = Timer::unarmed;
  const Entry last = heap_.back();
  heap_.pop_back();
  if (last.timer == &timer) return;
  if (index > 0 && last.at < heap_[(index - 1) / 2].at) {
    sift_up(index, last);
  } else {
    sift_down(index, last);
  }
}

void TimerHeap::fire_due(TimePoint now) {
  while (!heap_.empty() && heap_.front().at <= now) {
    Timer& timer = *heap_.front().timer;
    if (timer.deadline > now) {  // moved later since it was armed
      if (timer.deadline == never) {
        disarm(timer);
      } else {
        sift_down(0, {timer.deadline, &timer});
      }
      continue;
    }
    disarm(timer);
    timer.fire(timer);
  }
}

}  // namespace polyio
