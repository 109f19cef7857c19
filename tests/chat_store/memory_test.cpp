// Memory that can't be had: std::bad_alloc, and the store is as it was before the call. operator
// new and SQLite's allocations count and fail for the whole program.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <atomic>
#include <chat/store/json_lines.hpp>
#include <cstdlib>
#include <new>
#include <polyio/base/sanitizers.hpp>
#include <sstream>

#include "files.hpp"

namespace {

std::atomic<int> allocations_left{0};  // the one that takes it from 1 to 0 fails

bool fails() { return allocations_left > 0 && allocations_left.fetch_sub(1) == 1; }

// Before any test: SQLite takes no other functions once it is in use.
sqlite3_mem_methods real;
const bool configured = [] {
  sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real);
  sqlite3_mem_methods failing = real;
  failing.xMalloc = [](int size) { return fails() ? nullptr : real.xMalloc(size); };
  failing.xRealloc = [](void* block, int size) {
    return fails() ? nullptr : real.xRealloc(block, size);
  };
  return sqlite3_config(SQLITE_CONFIG_MALLOC, &failing) == SQLITE_OK;
}();

}  // namespace

#if !POLYIO_ASAN && !POLYIO_TSAN
[[gnu::noinline]] void* operator new(std::size_t size) {
  void* const block = fails() ? nullptr : std::malloc(size);
  if (!block) throw std::bad_alloc();
  return block;
}
[[gnu::noinline]] void operator delete(void* block) noexcept { std::free(block); }
[[gnu::noinline]] void operator delete(void* block, std::size_t) noexcept {
  ::operator delete(block);
}
#endif

namespace polyio::chat {
namespace {

using chat_test::append;
using chat_test::said;
using Draft = Store::Draft;

// Calls `call` with its nth allocation failing, for every `stride`th n, until all can be had.
template <class Call>
int fail_each(int stride, Call call) {
  int failed = 0;
  for (int nth = 1;; nth += stride) {
    allocations_left = nth;
    bool thrown = false;
    try {
      call();
    } catch (const std::bad_alloc&) {
      thrown = true;
    }
    if (allocations_left.exchange(0) > 0) return failed;
    failed += thrown;  // SQLite can do without some
  }
}

TEST(StoreMemoryShort, LeavesTheStoreAsItWas) {
  ASSERT_TRUE(configured);
  for (const bool file : {false, true}) {
    const chat_test::Folder folder;
    const auto store = chat_test::open_store(file ? folder.file() : "");
    append(*store, said("word"));
    Sequence last = 1;
    // Of the same store: the first time SQLite prepares what it then keeps.
    std::vector<Draft> drafts{said("word 中文"), said(std::string(100, 'x')), said("edited")};
    drafts[2].entry.kind = Entry::Kind::edit;
    drafts[2].entry.target = 1;
    std::vector<Draft*> pointers;
    for (auto& draft : drafts) pointers.push_back(&draft);
    const int failed = fail_each(1, [&] {
      for (auto& draft : drafts) draft.entry.sequence = 77;
      try {
        const auto done = store->append(pointers);
        if (!done) ADD_FAILURE() << done.error().text;
        last += 3;
      } catch (const std::bad_alloc&) {
        EXPECT_EQ(drafts[0].entry.sequence, 0U);
        throw;
      }
      EXPECT_EQ(drafts[2].entry.sequence, last);
    });
    EXPECT_GT(failed, 20);
    EXPECT_EQ(store->rooms()->at(0).last, last);
    EXPECT_EQ(append(*store, said("more")), last + 1);
  }
}

TEST(StoreMemoryShort, CostsAReaderItsCallOnly) {
  const chat_test::Folder folder;
  const auto store = chat_test::open_store(folder.file());
  for (int i = 0; i < 3; ++i) append(*store, said("word"));
  std::ostringstream to;
  int failed = 0;
  // More failures than there are connections for readers.
  for (int round = 0; round < 3; ++round) {
    failed += fail_each(3, [&] {
      const auto found = store->search({.words = "word", .rooms = {lobby_id}});
      EXPECT_TRUE(found && found->size() == 3);
    });
    failed += fail_each(3, [&] { EXPECT_EQ(store->history(lobby_id, 0, 0, 9)->size(), 3U); });
  }
  EXPECT_GT(failed, 20);
  EXPECT_EQ(store->history(lobby_id, 0, 0, 9)->size(), 3U);
}

TEST(StoreMemoryShort, LetsTheStoreBeOpenedLater) {
  const chat_test::Folder folder;
  int names = 0;
  const int failed = fail_each(17, [&] {
    const auto name = fmt::format("{}.db", ++names);
    const auto store = Store::open({.path = folder.file(name.c_str())});
    if (!store) ADD_FAILURE() << store.error().text;
  });
  EXPECT_GT(failed, 20);
  for (int i = 1; i <= names; ++i)
    EXPECT_EQ(
        append(*chat_test::open_store(folder.file(fmt::format("{}.db", i).c_str())), said("a")),
        1U);
}

}  // namespace
}  // namespace polyio::chat
