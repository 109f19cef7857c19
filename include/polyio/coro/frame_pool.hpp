// Frame pool: where coroutine frames and jobs live. Each thread keeps the blocks it freed, by size,
// and hands them out again, so that starting a coroutine costs a few instructions and no lock; a
// block may be freed by another thread than the one that took it. What a thread keeps is bounded;
// the rest goes back to the heap. Under a sanitizer every block is the heap's own, so that a use
// after free is seen.
#pragma once

#include <cstddef>

namespace polyio {

// A block of `size` bytes, aligned for any type. Throws std::bad_alloc.
void* frame_allocate(std::size_t size);
// Gives back what frame_allocate(size) answered.
void frame_free(void* block, std::size_t size) noexcept;

}  // namespace polyio
