#include <pthread.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <new>
#include <polyio/base/sanitizers.hpp>
#include <polyio/coro/frame_pool.hpp>
#include <utility>

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

// A thread's free blocks. Without a destructor of its own: where there is no memory to register
// one, glibc ends the process. A key's takes none.
struct Cache {
  std::array<Block*, shelf_of(largest) + 1> shelves{};
  std::size_t space = 0;  // bytes that it may still keep
  bool begun = false;
};
constinit thread_local Cache cache;

void give_back(void* of_thread) {
  Cache& ended = *static_cast<Cache*>(of_thread);
  ended.space = 0;  // what is freed from now on goes to the heap
  for (Block*& first : ended.shelves) {
    while (Block* const block = first) {
      first = block->next;
      ::operator delete(block);
    }
  }
}

struct Key {
  Key() : made(::pthread_key_create(&key, give_back) == 0) {}
  // Its code may go before the threads, with a plug-in.
  ~Key() {
    if (made) ::pthread_key_delete(key);
  }
  pthread_key_t key{};
  const bool made;
};

// False: this thread keeps no blocks, or no more.
bool begin_to_keep() noexcept {
  if (std::exchange(cache.begun, true)) return false;
  static const Key end_of_thread;
  if (!end_of_thread.made || ::pthread_setspecific(end_of_thread.key, &cache) != 0) return false;
  cache.space = keep_bytes;
  return true;
}

// What threads pass on to each other, so that one which only takes blocks is served by one which
// only frees them, and neither by the heap: batches of a few KiB, and of each size a few. Without a
// lock, which a fork could copy while it is held.
constexpr std::size_t batches = 16;
constexpr std::size_t blocks_of_batch(std::size_t shelf) noexcept { return 8192 / bytes_of(shelf); }
constexpr std::size_t bytes_of_batch(std::size_t shelf) noexcept {
  return blocks_of_batch(shelf) * bytes_of(shelf);
}
std::array<std::array<std::atomic<Block*>, batches>, shelf_of(largest) + 1> depot{};

// Takes a batch from the list. False: it has fewer, or there is no room.
bool pass_on(std::size_t index, Block*& first) noexcept {
  for (std::atomic<Block*>& place : depot[index]) {
    if (place.load(std::memory_order_relaxed)) continue;
    Block* last = first;
    for (std::size_t i = 1; last && i < blocks_of_batch(index); ++i) last = last->next;
    if (!last) return false;
    Block* const rest = std::exchange(last->next, nullptr);
    Block* none = nullptr;
    if (place.compare_exchange_strong(none, first, std::memory_order_release,
                                      std::memory_order_relaxed)) {
      first = rest;
      return true;
    }
    last->next = rest;
  }
  return false;
}

// False: there is none, or this thread keeps no blocks, or no more.
bool take_batch(std::size_t index, Block*& first) noexcept {
  for (std::atomic<Block*>& place : depot[index]) {
    if (!place.load(std::memory_order_relaxed)) continue;
    if (cache.space < bytes_of_batch(index) && !begin_to_keep()) return false;
    first = place.exchange(nullptr, std::memory_order_acquire);
    if (!first) continue;
    cache.space -= bytes_of_batch(index);
    return true;
  }
  return false;
}

}  // namespace

void* frame_allocate(std::size_t size) {
  if (size > largest || size == 0) return ::operator new(size);
  const std::size_t index = shelf_of(size);
  Block*& first = cache.shelves[index];
  if (!first && !take_batch(index, first)) return ::operator new(bytes_of(index));
  Block* const block = first;
  first = block->next;
  cache.space += bytes_of(index);
  return block;
}

void frame_free(void* memory, std::size_t size) noexcept {
  if (size > largest || size == 0) return ::operator delete(memory);
  const std::size_t index = shelf_of(size);
  Block*& first = cache.shelves[index];
  if (cache.space < bytes_of(index) && !begin_to_keep()) {
    if (!pass_on(index, first)) return ::operator delete(memory);
    cache.space += bytes_of_batch(index);
  }
  Block* const block = static_cast<Block*>(memory);
  block->next = first;
  first = block;
  cache.space -= bytes_of(index);
}

#endif

}  // namespace polyio
