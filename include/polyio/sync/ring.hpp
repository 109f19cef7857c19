// Ring: the values inside a Queue, in order, in one block of memory that doubles until the capacity
// is reached. An empty one that was never used takes no memory. Internal to room sync.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

namespace polyio::detail {

template <class T>
class Ring {
 public:
  explicit Ring(std::size_t capacity) noexcept : capacity_(capacity) {}

  // False, and `value` as it was, when it is full. Throws std::bad_alloc, and nothing has changed.
  bool push(T& value) {
    if (size_ == capacity_) return false;
    if (size_ == slots_.size()) grow();
    slots_[(first_ + size_) % slots_.size()].emplace(std::move(value));
    ++size_;
    return true;
  }
  // Takes the memory for all values now; while it is empty. Throws std::bad_alloc.
  void reserve() { slots_.resize(capacity_); }
  std::optional<T> pop() noexcept {
    if (size_ == 0) return std::nullopt;
    auto value = std::exchange(slots_[first_], std::nullopt);
    first_ = (first_ + 1) % slots_.size();
    --size_;
    return value;
  }
  std::size_t size() const noexcept { return size_; }
  std::size_t capacity() const noexcept { return capacity_; }

 private:
  void grow() {
    const std::size_t room = std::max<std::size_t>(slots_.size() * 2, 8);
    std::vector<std::optional<T>> bigger(std::min(room, capacity_));
    for (std::size_t i = 0; i < size_; ++i) {
      bigger[i].emplace(std::move(*slots_[(first_ + i) % slots_.size()]));
    }
    slots_ = std::move(bigger);
    first_ = 0;
  }

  const std::size_t capacity_;
  std::size_t first_ = 0;
  std::size_t size_ = 0;
  std::vector<std::optional<T>> slots_;
};

}  // namespace polyio::detail
