// Disks that are full, fail, are locked, read-only or damaged, and databases of other versions:
// what was acknowledged is there, nothing is there by half, and the store goes on.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chat/store/store.hpp>
#include <fstream>

#include "faulty_disk.hpp"
#include "files.hpp"

namespace polyio::chat {
namespace {

using chat_test::append;
using chat_test::FaultyDisk;
using chat_test::said;
using chat_test::texts;
using testing::HasSubstr;
using Draft = Store::Draft;
using Kind = StoreError::Kind;

// A connection of its own, as another process has it.
class Other {
 public:
  explicit Other(const std::string& path) {
    EXPECT_EQ(sqlite3_open(path.c_str(), &database_), SQLITE_OK);
  }
  Other(const Other&) = delete;
  Other& operator=(const Other&) = delete;
  ~Other() { sqlite3_close(database_); }
  // The first column of the last row.
  std::string run(const std::string& sql) {
    std::string last;
    const auto keep = [](void* to, int, char** columns, char**) {
      *static_cast<std::string*>(to) = columns[0] ? columns[0] : "";
      return 0;
    };
    char* error = nullptr;
    if (sqlite3_exec(database_, sql.c_str(), keep, &last, &error) != SQLITE_OK)
      last = fmt::format("error: {}", error);
    sqlite3_free(error);
    return last;
  }

 private:
  sqlite3* database_ = nullptr;
};

// Messages in batches, edits, a removal and other records; what a store acknowledged must be in it.
class Scenario {
 public:
  explicit Scenario(const std::string& path) : path_(path) {}

  void run(Store& store) {
    for (int i = 0; i < 12; ++i) {
      std::vector<Draft> drafts{said(fmt::format("word{} {}", count_, std::string(300, 'x'))),
                                said(fmt::format("word{} 中文", count_ + 1))};
      count_ += 2;
      if (!texts_.empty() && i % 3 == 0) {
        drafts.push_back(said(fmt::format("edited{}", count_)));
        drafts.back().entry.kind = Entry::Kind::edit;
        drafts.back().entry.target = 1;
      }
      const auto done = append(store, drafts);
      failed_ += !done;
      for (const Draft& draft : drafts) {
        if (!done) EXPECT_EQ(draft.entry.sequence, 0U);
        if (!done) continue;
        EXPECT_EQ(draft.entry.sequence, texts_.size() + 1) << "no gap";
        texts_.push_back(draft.entry.text);
        if (draft.entry.kind == Entry::Kind::edit) edited_ = draft.entry.text;
      }
      if (const auto made =
              store.add_account(fmt::format("a{}", count_), fmt::format("a{}", count_), ""))
        ++accounts_;
    }
  }
  int failed() const { return failed_; }

  void expect_all_in(const Store& store) const {
    std::vector<std::string> expected = texts_;
    const auto found = store.history(lobby_id, 0, 0, 1000);
    ASSERT_TRUE(found) << found.error().text;
    ASSERT_EQ(found->size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const bool has_edit = i == 0 || found->at(i).kind == Entry::Kind::edit;
      ASSERT_EQ(found->at(i).text, has_edit && !edited_.empty() ? edited_ : expected[i]) << i;
    }
    EXPECT_EQ(store.accounts()->size(), accounts_);
    const auto edits = store.search({.words = "edited*", .rooms = {lobby_id}});
    EXPECT_EQ(edits->size(), edited_.empty() ? 0U : 1U);
    const auto words = store.search({.words = "word*", .rooms = {lobby_id}, .count = 200});
    std::size_t said_words = 0;
    for (std::size_t i = 0; i < expected.size(); ++i)
      said_words += found->at(i).kind == Entry::Kind::message && (i > 0 || edited_.empty());
    EXPECT_EQ(words->size(), said_words);
  }
  void expect_whole() const {
    Other other(path_);
    EXPECT_EQ(other.run("PRAGMA integrity_check"), "ok");
    EXPECT_EQ(other.run("INSERT INTO found(found) VALUES('integrity-check')"), "");
  }

 private:
  std::string path_;
  std::vector<std::string> texts_;
  std::string edited_;
  int count_ = 0, failed_ = 0;
  std::size_t accounts_ = 0;
};

struct Disk {
  const char* name;
  FaultyDisk::Fault fault;
  std::int64_t more;
};
constexpr Disk disks[] = {
    {"full once", {}, 0},
    {"full for a while", {}, 15},
    {"short writes", {.short_write = true}, 3},
    {"broken once", {.code = SQLITE_IOERR_WRITE, .system = EIO}, 0},
    {"broken for a while", {.code = SQLITE_IOERR_FSYNC, .system = EIO}, 20},
};

// Every `stride`th of the calls fails once.
void fail_each_call(std::int64_t stride) {
  auto& disk = FaultyDisk::instance();
  for (const auto& [name, fault, more] : disks) {
    int failures = 0;
    for (std::int64_t nth = 1;; nth += stride) {
      SCOPED_TRACE(fmt::format("{}, call {}", name, nth));
      const chat_test::Folder folder;
      Scenario scenario(folder.file());
      std::int64_t calls = 0;
      {
        const auto store = chat_test::open_store(folder.file());
        disk.fail(nth, more, fault);
        scenario.run(*store);
        calls = disk.mend();
        scenario.expect_all_in(*store);
        scenario.run(*store);
        scenario.expect_all_in(*store);
      }
      failures += scenario.failed();
      scenario.expect_all_in(*chat_test::open_store(folder.file()));
      scenario.expect_whole();
      if (testing::Test::HasFailure() || nth > calls) break;
    }
    EXPECT_GT(failures, 0) << name << " is seen";
  }
}

TEST(StoreFaults, LoseNothingThatWasAcknowledged) { fail_each_call(9); }
TEST(DeepStoreFaults, LoseNothingThatWasAcknowledged) { fail_each_call(1); }

// A store that can't be opened says so, and can be when the disk is well.
TEST(StoreFaults, LetTheStoreBeOpenedLater) {
  auto& disk = FaultyDisk::instance();
  for (const auto& [name, fault, more] : disks) {
    for (std::int64_t nth = 1, calls = 1; nth <= calls; nth += 7) {
      SCOPED_TRACE(fmt::format("{}, call {}", name, nth));
      const chat_test::Folder folder;
      disk.fail(nth, more, fault);
      const auto store = Store::open({.path = folder.file()});
      calls = disk.mend();
      if (store)
        EXPECT_EQ(append(**store, said("a")), 1U);
      else
        EXPECT_NE(store.error().text, "");
      const auto later = chat_test::open_store(folder.file());
      ASSERT_TRUE(later);
      EXPECT_EQ(append(*later, said("b")), store ? 2U : 1U);
    }
  }
}

TEST(StoreFaults, AreNamedInWords) {
  struct Case {
    FaultyDisk::Fault fault;
    Kind kind;
    const char* words;
  };
  constexpr Case cases[] = {
      {{.code = SQLITE_FULL}, Kind::full, "the disk is full: make room where "},
      {{.code = SQLITE_IOERR_WRITE, .system = ENOSPC}, Kind::full, "the disk is full"},
      {{.code = SQLITE_IOERR_WRITE, .system = EDQUOT}, Kind::full, "the disk is full"},
      {{.code = SQLITE_IOERR_WRITE, .system = EIO}, Kind::other, "Input/output error"},
      {{.code = SQLITE_READONLY}, Kind::read_only, "cannot be opened for writing"},
      {{.code = SQLITE_CORRUPT}, Kind::damaged, "is damaged"},
  };
  const chat_test::Folder folder;
  const auto store = chat_test::open_store(folder.file());
  for (const auto& [fault, kind, words] : cases) {
    FaultyDisk::instance().fail(1, 1000, fault);
    Draft draft = said("lost");
    const auto done = append(*store, {&draft, 1});
    ASSERT_FALSE(done) << words;
    EXPECT_EQ(done.error().kind, kind) << done.error().text;
    EXPECT_THAT(done.error().text, HasSubstr(words));
    EXPECT_THAT(done.error().text, HasSubstr(folder.file()));
    EXPECT_EQ(store->check().error().kind, kind) << "/healthz says it too";
    FaultyDisk::instance().mend();
    EXPECT_GT(append(*store, said("kept")), 0U);
    EXPECT_TRUE(store->check());
  }
  EXPECT_EQ(store->history(lobby_id, 0, 0, 100)->size(), std::size(cases));
}

TEST(StoreFaults, OfReadersLeaveTheWriterAlone) {
  const chat_test::Folder folder;
  const auto store = chat_test::open_store(folder.file());
  append(*store, said("a"));
  FaultyDisk::instance().fail(1, 1000, {.code = SQLITE_CANTOPEN, .system = EMFILE, .opens = true});
  EXPECT_FALSE(store->history(lobby_id, 0, 0, 10));
  EXPECT_EQ(append(*store, said("b")), 2U);
  FaultyDisk::instance().mend();
  EXPECT_EQ(store->history(lobby_id, 0, 0, 10)->size(), 2U);
}

TEST(StoreFaults, ALockOfAnotherProcessIsWaitedForAndThenNamed) {
  const chat_test::Folder folder;
  auto opened = Store::open({.path = folder.file(), .patience_ms = 1});
  ASSERT_TRUE(opened);
  Store& store = **opened;
  append(store, said("a"));
  Other other(folder.file());
  EXPECT_EQ(other.run("BEGIN IMMEDIATE"), "");
  Draft draft = said("b");
  const auto done = append(store, {&draft, 1});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().kind, Kind::locked);
  EXPECT_THAT(done.error().text, HasSubstr("another process holds"));
  EXPECT_EQ(store.check().error().kind, Kind::locked);
  EXPECT_EQ(store.history(lobby_id, 0, 0, 10)->size(), 1U) << "reading needs no lock";
  EXPECT_EQ(other.run("COMMIT"), "");
  EXPECT_EQ(append(store, said("b")), 2U);
  EXPECT_TRUE(store.check());
}

TEST(StoreFaults, ANewerDatabaseIsRefusedAndLeftAsItIs) {
  const chat_test::Folder folder;
  (void)chat_test::open_store(folder.file());
  EXPECT_EQ(Other(folder.file()).run("PRAGMA user_version = 77"), "");
  const auto store = Store::open({.path = folder.file()});
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().kind, Kind::newer);
  EXPECT_THAT(store.error().text, HasSubstr("version 77"));
  EXPECT_EQ(Other(folder.file()).run("PRAGMA user_version"), "77");
}

TEST(StoreFaults, AnotherProgramsDatabaseIsRefused) {
  const chat_test::Folder folder;
  EXPECT_EQ(Other(folder.file()).run("CREATE TABLE theirs(x)"), "");
  const auto store = Store::open({.path = folder.file()});
  ASSERT_FALSE(store);
  EXPECT_THAT(store.error().text, HasSubstr("another program"));
  EXPECT_EQ(Other(folder.file()).run("SELECT count(*) FROM sqlite_schema"), "1");
}

TEST(StoreFaults, AnEmptyFileIsMadeADatabase) {
  const chat_test::Folder folder;
  std::ofstream(folder.file()).flush();
  EXPECT_EQ(append(*chat_test::open_store(folder.file()), said("a")), 1U);
}

TEST(StoreFaults, WhatIsNoDatabaseOrCannotBeOneIsNamed) {
  const chat_test::Folder folder;
  std::ofstream(folder.file()) << std::string(10'000, 'x');
  EXPECT_EQ(Store::open({.path = folder.file()}).error().kind, Kind::damaged);
  EXPECT_EQ(Store::open({.path = folder.file("no/folder")}).error().kind, Kind::read_only);
  std::filesystem::create_directory(folder.file("folder"));
  EXPECT_EQ(Store::open({.path = folder.file("folder")}).error().kind, Kind::read_only);
}

// Pages overwritten anywhere: an error, or what is still whole; never a crash or another entry.
TEST(StoreFaults, DamagedPagesAreNamed) {
  const chat_test::Folder folder;
  {
    const auto store = chat_test::open_store(folder.file());
    Scenario scenario(folder.file());
    for (int i = 0; i < 5; ++i) scenario.run(*store);
  }
  const auto whole = texts(chat_test::open_store(folder.file())->history(lobby_id, 0, 0, 1000));
  const auto pages = static_cast<int>(std::filesystem::file_size(folder.file())) / 4096;
  int named = 0;
  for (int page = 0; page < pages; ++page) {
    SCOPED_TRACE(page);
    const std::string copy = folder.file("copy.db");
    std::filesystem::copy_file(folder.file(), copy,
                               std::filesystem::copy_options::overwrite_existing);
    std::filesystem::remove(copy + "-wal");
    std::fstream(copy, std::ios::in | std::ios::out | std::ios::binary).seekp(page * 4096L)
        << std::string(2048, '\x5a');
    const auto store = Store::open({.path = copy});
    if (!store) {
      EXPECT_TRUE(store.error().kind == Kind::damaged || store.error().kind == Kind::other)
          << store.error().text;
      ++named;
      continue;
    }
    Draft draft = said("more");
    const auto done = append(**store, {&draft, 1});
    const auto found = (*store)->history(lobby_id, 0, 0, 1000);
    const auto words = (*store)->search({.words = "word*", .rooms = {lobby_id}});
    for (const auto& entry : found ? *found : std::vector<Entry>{})
      EXPECT_TRUE(entry.sequence > whole.size() || entry.text == whole[entry.sequence - 1]);
    named += !done || !found || !words;
  }
  EXPECT_GT(named, pages / 2);
}

}  // namespace
}  // namespace polyio::chat
