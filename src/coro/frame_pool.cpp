#include <array>
#include <cstdint>
#include <new>
#include <polyio/coro/frame_pool.hpp>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define POLYIO_PLAIN_FRAMES 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define POLYIO_PLAIN_FRAMES 1
#endif
#endif

namespace polyio {

#ifdef POLYIO_PLAIN_FRAMES

void* frame_allocate(std::size_t size) { return ::operator new(size); }
void frame_free(void* block, std::size_t size) noexcept { ::operator delete(block, size); }

#else

namespace {

constexpr std::size_t step = 32;             // sizes are rounded up to it
constexpr std::size_t largest = 2048;        // larger blocks are the heap's
constexpr std::size_t keep_bytes = 1 << 16;  // kept per size and thread at most

struct Block {
  Block* next;
};

struct Shelf {
  Block* first = nullptr;
  std::uint32_t count = 0;
};

// `closed` outlives the destructor: frames freed by later thread-local destructors go to the heap.
struct Cache {
  std::array<Shelf, largest / step> shelves;
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
  const std::size_t index = (size - 1) / step;
  Shelf& shelf = cache.shelves[index];
  if (Block* block = shelf.first) {
    shelf.first = block->next;
    --shelf.count;
    return block;
  }
  return ::operator new((index + 1) * step);
}

void frame_free(void* memory, std::size_t size) noexcept {
  if (size > largest || size == 0) return ::operator delete(memory);
  const std::size_t index = (size - 1) / step;
  Shelf& shelf = cache.shelves[index];
  if (cache.closed || (shelf.count + 1) * (index + 1) * step > keep_bytes) {
    return ::operator delete(memory);
  }
  Block* block = static_cast<Block*>(memory);
  block->next = shelf.first;
  shelf.first = block;
  ++shelf.count;
}

#endif

}  // namespace polyio
