// Frame pool: blocks of any size, from any thread to any thread.
#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <latch>
#include <polyio/base/random.hpp>
#include <polyio/base/sanitizers.hpp>
#include <polyio/coro/frame_pool.hpp>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "sync_wait.hpp"

namespace polyio {
namespace {

TEST(FramePool, EverySizeIsUsableAndAligned) {
  for (const std::size_t size : {0u, 1u, 31u, 32u, 33u, 64u, 2047u, 2048u, 2049u, 100'000u}) {
    void* block = frame_allocate(size);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block) % alignof(std::max_align_t), 0u);
    std::memset(block, 0xa5, size);
    frame_free(block, size);
  }
}

// Each block is filled with its own byte and looked at before it is freed: no two share memory.
TEST(FramePool, BlocksDoNotOverlap) {
  Random random(3);
  std::vector<std::pair<unsigned char*, std::size_t>> blocks;
  for (int step = 0; step < 20'000; ++step) {
    if (blocks.size() < 100 && random.chance(55, 100)) {
      const std::size_t size = 1 + random.below(2500);
      auto* block = static_cast<unsigned char*>(frame_allocate(size));
      std::memset(block, static_cast<int>(size % 251), size);
      blocks.emplace_back(block, size);
    } else if (!blocks.empty()) {
      std::swap(blocks[random.below(blocks.size())], blocks.back());
      const auto [block, size] = blocks.back();
      blocks.pop_back();
      for (std::size_t i = 0; i < size; i += 97) ASSERT_EQ(block[i], size % 251);
      ASSERT_EQ(block[size - 1], size % 251);
      frame_free(block, size);
    }
  }
  for (const auto& [block, size] : blocks) frame_free(block, size);
}

TEST(FramePool, AThreadGivesItsBlocksBackAtItsEnd) {
#if POLYIO_ASAN || POLYIO_TSAN
  GTEST_SKIP() << "the sanitizers see every block by itself";
#endif
  constexpr std::size_t size = 1000, count = 1000;
  constexpr int threads = 20;
  const std::size_t before = ::mallinfo2().uordblks;
  for (int i = 0; i < threads; ++i) {
    std::jthread([] {
      std::vector<void*> blocks;
      for (std::size_t n = 0; n < count; ++n) blocks.push_back(frame_allocate(size));
      for (void* block : blocks) frame_free(block, size);
    }).join();
  }
  EXPECT_LT(::mallinfo2().uordblks, before + 2 * size * count);
}

TEST(FramePool, FreedByAnotherThread) {
  constexpr std::size_t size = 200;
  for (int round = 0; round < 20; ++round) {
    std::vector<void*> blocks;
    for (int i = 0; i < 500; ++i) blocks.push_back(frame_allocate(size));
    std::jthread other([&] {
      for (void* block : blocks) frame_free(block, size);
      for (void*& block : blocks) block = frame_allocate(size);
    });
    other.join();
    for (void* block : blocks) frame_free(block, size);
  }
}

// One thread only takes blocks and another only frees them: what that one can't keep any more comes
// back to the first, and does not go through the heap.
TEST(FramePool, WhatOneThreadHasTooManyOfServesAnother) {
#if POLYIO_ASAN || POLYIO_TSAN
  GTEST_SKIP() << "the sanitizers see every block by itself";
#endif
  constexpr std::size_t size = 1912, kept = (2 << 20) / size, more = 100;  // a size of this test
  std::set<void*> freed;
  for (std::size_t i = 0; i < kept + more; ++i) freed.insert(frame_allocate(size));
  const std::size_t in_use = ::mallinfo2().uordblks;
  std::latch all_freed(1), all_taken(1);
  std::jthread other([&] {
    for (void* block : freed) frame_free(block, size);
    all_freed.count_down();
    all_taken.wait();  // what it has kept stays with it
  });
  all_freed.wait();
  EXPECT_GT(::mallinfo2().uordblks, in_use - more / 2 * size) << "most went back to the heap";
  std::vector<void*> taken;
  for (std::size_t i = 0; i < more; ++i) taken.push_back(frame_allocate(size));
  const auto again =
      std::ranges::count_if(taken, [&](void* block) { return freed.contains(block); });
  EXPECT_GE(static_cast<std::size_t>(again), more / 2);
  all_taken.count_down();
  other.join();
  for (void* block : taken) frame_free(block, size);
}

// A frame that a thread-local object frees when its thread has ended already.
TEST(FramePool, FreedWhileTheThreadEnds) {
  struct Late {
    Task<> task;
    ~Late() { task = {}; }
  };
  std::jthread thread([] {
    thread_local Late late;
    auto task = []() -> Task<> { co_return; };
    late.task = task();
  });
}

}  // namespace
}  // namespace polyio
