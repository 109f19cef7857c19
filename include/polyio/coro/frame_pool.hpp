// Frame pool: where coroutine frames and jobs live. Each thread keeps the blocks it freed, by size,
// and hands them out again, so that starting a coroutine costs a few instructions and no lock; a
// block may be freed by a thread other than the one that took it. What a thread keeps is bounded;
// the rest it passes on, in batches, to threads that run short, and what these do not need goes
// back to the heap. Under a sanitizer every block is the heap's own, so that a use after free is
// seen.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>

namespace polyio {

// A block of `size` bytes, aligned for any type. Throws std::bad_alloc.
void* frame_allocate(std::size_t size);
// Returns a block of frame_allocate(size).
void frame_free(void* block, std::size_t size) noexcept;

// The same for containers that fill and empty as often as coroutines come and go.
template <class T>
struct FrameAllocator {
  using value_type = T;
  FrameAllocator() = default;
  template <class U>
  FrameAllocator(const FrameAllocator<U>&) noexcept {}
  T* allocate(std::size_t count) {
    if (count > SIZE_MAX / sizeof(T)) throw std::bad_array_new_length();
    return static_cast<T*>(frame_allocate(count * sizeof(T)));
  }
  void deallocate(T* block, std::size_t count) noexcept { frame_free(block, count * sizeof(T)); }
  friend bool operator==(FrameAllocator, FrameAllocator) noexcept { return true; }
};

}  // namespace polyio
