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
constexpr std::size_t keep_bytes = 1 << 16;  // kept per size and thread at most

// Sizes are rounded up to 8, 24, 40 ...: with its 8 bytes of header such a block fills what glibc's
// malloc, and others of that kind, would round it up to.
constexpr std::size_t shelf_of(std::size_t size) noexcept { return (size + 7) / step; }
constexpr std::size_t bytes_of(std::size_t shelf) noexcept { return shelf * step + 8; }

struct Block {
  Block* next;
};

struct Shelf {
  Block* first = nullptr;
  std::uint32_t count = 0;
};

// `closed` outlives the destructor: frames freed by later thread-local destructors go to the heap.
struct Cache {
  std::array<Shelf, shelf_of(largest) + 1> shelves;
  bool closed = false;
  ~Cache() {
    closed = true;
    for (Shelf& shelf : shelves) {
      while (Block* block = shelf.first) {
        shelf.first = block->next;
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
  Shelf& shelf = cache.shelves[index];
  if (Block* block = shelf.first) {
    shelf.first = block->next;
    --shelf.count;
    return block;
  }
  return ::operator new(bytes_of(index));
}

void frame_free(void* memory, std::size_t size) noexcept {
  if (size > largest || size == 0) return ::operator delete(memory);
  const std::size_t index = shelf_of(size);
  Shelf& shelf = cache.shelves[index];
  if (cache.closed || (shelf.count + 1) * bytes_of(index) > keep_bytes) {
    return ::operator delete(memory);
  }
  Block* block = static_cast<Block*>(memory);
  block->next = shelf.first;
  shelf.first = block;
  ++shelf.count;
}

#endif

}  // namespace polyio
