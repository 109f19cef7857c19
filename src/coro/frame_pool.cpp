#include <array>
#include <cstdint>
#include <new>
#include <polyio/base/sanitizers.hpp>
#include <polyio/coro/frame_pool.hpp>

namespace polyio {

#if POLYIO_ASAN || POLYIO_TSAN

void* frame_allocate(std::size_t size) { return ::operator new(size); }
void frame_free(void* block, std::size_t size) noexcept { ::operator delete(block, size); }

#else

namespace {

constexpr std::size_t step = 16;
constexpr std::size_t largest = 2040;        // larger blocks are the heap's
constexpr std::size_t keep_bytes = 2 << 20;  // kept per thread at most

// Sizes are rounded up to 8, 24, 40 ...: with its 8 bytes of header such a block fills what glibc's
// malloc, and others of that kind, would round it up to.
constexpr std::size_t shelf_of(std::size_t size) noexcept { return (size + 7) / step; }
constexpr std::size_t bytes_of(std::size_t shelf) noexcept { return shelf * step + 8; }

struct Block {
  Block* next;
};

// `closed` outlives the destructor: frames freed by later thread-local destructors go to the heap.
struct Cache {
  std::array<Block*, shelf_of(largest) + 1> shelves{};
  std::size_t kept = 0;  // bytes
  bool closed = false;
  ~Cache() {
    closed = true;
    for (Block*& first : shelves) {
      while (Block* const block = first) {
        first = block->next;
        ::operator delete(block);
      }
    }
  }
};

thread_local Cache cache;

}  // namespace

void* frame_allocate(std::size_t size) {
  if (size > largest || size == 0) return ::operator new(size);
  const std::size_t index = shelf_of(size);
  Block*& first = cache.shelves[index];
  if (Block* const block = first) {
    first = block->next;
    cache.kept -= bytes_of(index);
    return block;
  }
  return ::operator new(bytes_of(index));
}

void frame_free(void* memory, std::size_t size) noexcept {
  if (size > largest || size == 0) return ::operator delete(memory);
  const std::size_t index = shelf_of(size);
  if (cache.closed || cache.kept >= keep_bytes) return ::operator delete(memory);
  Block*& first = cache.shelves[index];
  Block* const block = static_cast<Block*>(memory);
  block->next = first;
  first = block;
  cache.kept += bytes_of(index);
}

#endif

}  // namespace polyio
