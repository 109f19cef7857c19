// Cleared: a pointer that is nullptr again at the end of a block.
#pragma once

namespace polyio {

// What points into a coroutine's frame is cleared however that ends, by an exception too.
template <class T>
struct Cleared {
  explicit Cleared(T*& to_clear) noexcept : pointer(to_clear) {}
  Cleared(const Cleared&) = delete;
  Cleared& operator=(const Cleared&) = delete;
  ~Cleared() { pointer = nullptr; }
  T*& pointer;
};

}  // namespace polyio
