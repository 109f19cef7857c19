// Accounts, rooms, memberships and logins; retention, copies, and what the file is like.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chat/store/store.hpp>
#include <fstream>
#include <limits>
#include <thread>

#include "files.hpp"

namespace polyio::chat {
namespace {

using chat_test::append;
using chat_test::said;
using chat_test::texts;
using testing::ElementsAre;
using testing::IsEmpty;
using Draft = Store::Draft;
using Kind = StoreError::Kind;

constexpr std::int64_t day = 24 * 60 * 60 * 1000;

class StoreRecords : public testing::Test {
 protected:
  void reopen() {
    store.reset();
    store = chat_test::open_store(folder.file());
  }
  Sequence say(std::string text, std::int64_t time_ms, RoomId room = lobby_id) {
    Draft draft = said(std::move(text), 1, room);
    draft.entry.time_ms = time_ms;
    return append(*store, draft);
  }

  chat_test::Folder folder;
  std::unique_ptr<Store> store = chat_test::open_store(folder.file());
};

TEST_F(StoreRecords, KeepAccounts) {
  const auto ada = store->add_account("Ada", "ada", "hash");
  ASSERT_TRUE(ada);
  const auto taken = store->add_account("ADA", "ada", "x");
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().kind, Kind::conflict);
  const auto bob = store->add_account("Bob", "bob", "");
  ASSERT_TRUE(bob);
  ASSERT_TRUE(store->change_account(
      {.id = *ada, .name = "Ada L.", .password = "new", .admin = true, .disabled = true},
      "ada l."));
  EXPECT_EQ(store->change_account({.id = *bob, .name = "Ada L."}, "ada l.").error().kind,
            Kind::conflict);
  EXPECT_EQ(store->change_account({.id = 99, .name = "x"}, "x").error().kind, Kind::refused);
  reopen();
  const auto accounts = store->accounts();
  ASSERT_TRUE(accounts);
  ASSERT_EQ(accounts->size(), 2U);
  EXPECT_EQ(accounts->at(0).name, "Ada L.");
  const auto found = store->account(*ada);
  ASSERT_TRUE(found && *found);
  EXPECT_EQ((*found)->password, "new");
  EXPECT_TRUE((*found)->admin && (*found)->disabled);
  EXPECT_FALSE(store->account(99)->has_value());
}

TEST_F(StoreRecords, GiveNoIdTwice) {
  const PersonId account = *store->add_account("a", "a", "");
  ASSERT_TRUE(store->remove_account(account));
  EXPECT_GT(*store->add_account("b", "b", ""), account) << "or b could edit what a wrote";
  const RoomId room = *store->add_room({.name = "#a"}, "#a");
  ASSERT_TRUE(store->remove_room(room));
  while (*store->tidy(0, 10)) continue;
  EXPECT_GT(*store->add_room({.name = "#b"}, "#b"), room);
}

TEST_F(StoreRecords, RemoveAnAccountWithItsLoginsAndMemberships) {
  const PersonId account = *store->add_account("a", "a", "");
  ASSERT_TRUE(store->add_login({"t", account, 10}));
  ASSERT_TRUE(store->set_membership({.room = 1, .account = account, .role = Role::member}));
  ASSERT_TRUE(store->remove_account(account));
  EXPECT_FALSE(store->login("t")->has_value());
  EXPECT_THAT(*store->memberships(), IsEmpty());
  EXPECT_EQ(store->remove_account(account).error().kind, Kind::refused);
}

TEST_F(StoreRecords, KeepRooms) {
  const auto room = store->add_room({.name = "#Ops", .topic = "t", .is_private = true}, "#ops");
  ASSERT_TRUE(room);
  EXPECT_EQ(store->add_room({.name = "#OPS"}, "#ops").error().kind, Kind::conflict);
  ASSERT_TRUE(store->add_room({.one = 9, .other = 4}, ""));
  EXPECT_EQ(store->add_room({.one = 4, .other = 9}, "").error().kind, Kind::conflict)
      << "a conversation of the same two";
  ASSERT_TRUE(
      store->change_room({.id = *room, .topic = "new", .read_only = true, .keep_days = 30}));
  EXPECT_EQ(store->change_room({.id = 99}).error().kind, Kind::refused);
  say("x", 5, *room);
  reopen();
  const auto rooms = store->rooms();
  ASSERT_TRUE(rooms);
  ASSERT_EQ(rooms->size(), 3U);
  EXPECT_EQ(rooms->at(0).name, "#lobby");
  EXPECT_EQ(rooms->at(0).id, lobby_id);
  EXPECT_EQ(rooms->at(0).last, 0U);
  const RoomRecord& ops = rooms->at(1);
  EXPECT_EQ(ops.name, "#Ops");
  EXPECT_EQ(ops.topic, "new");
  EXPECT_TRUE(ops.read_only && !ops.is_private);
  EXPECT_EQ(ops.keep_days, 30);
  EXPECT_EQ(ops.last, 1U);
  EXPECT_EQ(rooms->at(2).one, 4);
  EXPECT_EQ(rooms->at(2).other, 9);
}

TEST_F(StoreRecords, KeepMembershipsUntilTheyAreEmpty) {
  const Membership both[] = {
      {.room = 1, .account = 2, .role = Role::operator_, .muted = true, .read = 7},
      {.room = 1, .account = 3, .banned = true}};
  ASSERT_TRUE(store->set_memberships(both));
  reopen();
  auto found = store->memberships();
  ASSERT_TRUE(found);
  ASSERT_EQ(found->size(), 2U);
  EXPECT_EQ(found->at(0).role, Role::operator_);
  EXPECT_TRUE(found->at(0).muted && !found->at(0).banned && found->at(1).banned);
  EXPECT_EQ(found->at(0).read, 7U);
  ASSERT_TRUE(store->set_membership({.room = 1, .account = 2}));
  found = store->memberships();
  ASSERT_EQ(found->size(), 1U);
  EXPECT_EQ(found->at(0).account, 3);
}

TEST_F(StoreRecords, KeepBannedAddresses) {
  for (int twice = 0; twice < 2; ++twice) ASSERT_TRUE(store->ban_address(0, "1.2.3.4", true));
  ASSERT_TRUE(store->ban_address(1, "::1", true));
  reopen();
  ASSERT_TRUE(store->ban_address(0, "1.2.3.4", false));
  const auto bans = store->address_bans();
  ASSERT_EQ(bans->size(), 1U);
  EXPECT_EQ(bans->at(0).address, "::1");
}

TEST_F(StoreRecords, KeepLoginsUntilTheyExpire) {
  for (const char* token : {"a", "b", "c", "d"})
    ASSERT_TRUE(store->add_login({token, token[0] == 'd' ? 2 : 1, token[0] == 'a' ? 100 : 900}));
  EXPECT_EQ((*store->login("b"))->account, 1);
  EXPECT_EQ((*store->login("b"))->expires_ms, 900);
  EXPECT_EQ(store->tidy(100, 10), false);
  EXPECT_FALSE(store->login("a")->has_value());
  EXPECT_TRUE(store->login("b")->has_value());
  ASSERT_TRUE(store->remove_login("b"));
  EXPECT_FALSE(store->login("b")->has_value());
  ASSERT_TRUE(store->remove_logins(1));
  EXPECT_FALSE(store->login("c")->has_value());
  EXPECT_TRUE(store->login("d")->has_value());
}

TEST_F(StoreRecords, RemoveWhatIsPastItsDaysAndNumberOn) {
  const RoomId room = *store->add_room({.name = "#a", .keep_days = 2}, "#a");
  for (int i = 0; i < 5; ++i) say("word" + std::to_string(i), i * day, room), say("stays", i * day);
  EXPECT_EQ(store->tidy(5 * day, 2), true) << "two of three";
  EXPECT_THAT(texts(store->history(room, 0, 0, 10)), ElementsAre("word2", "word3", "word4"));
  EXPECT_EQ(store->tidy(5 * day, 2), false);
  EXPECT_THAT(texts(store->history(room, 0, 0, 10)), ElementsAre("word3", "word4"));
  EXPECT_THAT(texts(store->search({.words = "wor*", .rooms = {room}})),
              ElementsAre("word4", "word3"));
  EXPECT_EQ(store->tidy(50 * day, 10), false);
  EXPECT_THAT(texts(store->history(room, 0, 0, 10)), IsEmpty());
  EXPECT_EQ(store->history(lobby_id, 0, 0, 10)->size(), 5U);
  reopen();
  EXPECT_EQ(store->rooms()->at(1).last, 5U);
  EXPECT_EQ(say("next", 50 * day, room), 6U) << "no number twice";
}

TEST_F(StoreRecords, RemoveARoomAtOnceAndItsLogInPieces) {
  const RoomId room = *store->add_room({.name = "#a"}, "#a");
  for (int i = 0; i < 5; ++i) say("word", i, room);
  ASSERT_TRUE(store->ban_address(room, "1.2.3.4", true));
  ASSERT_TRUE(store->remove_room(room));
  EXPECT_EQ(store->remove_room(room).error().kind, Kind::refused);
  EXPECT_EQ(store->rooms()->size(), 1U);
  EXPECT_THAT(*store->address_bans(), IsEmpty());
  EXPECT_EQ(say("late", 9, room), 0U);
  EXPECT_TRUE(store->add_room({.name = "#a"}, "#a")) << "the name is free";
  EXPECT_EQ(store->tidy(0, 3), true);
  EXPECT_EQ(store->tidy(0, 3), false);
  EXPECT_THAT(texts(store->history(room, 0, 0, 10)), IsEmpty());
  EXPECT_THAT(texts(store->search({.words = "word", .rooms = {room}})), IsEmpty());
}

TEST(StoreMemory, KeepsTheNewestEntries) {
  auto opened = Store::open({.memory_entries = 3});
  ASSERT_TRUE(opened);
  Store& store = **opened;
  for (int i = 1; i <= 6; ++i) append(store, said(std::to_string(i)));
  EXPECT_EQ(store.tidy(0, 100), false);
  EXPECT_THAT(texts(store.history(lobby_id, 0, 0, 10)), ElementsAre("4", "5", "6"));
  EXPECT_EQ(append(store, said("7")), 7U);
  EXPECT_TRUE(store.check());
}

TEST_F(StoreRecords, CopyWhileTheWriterGoesOn) {
  std::jthread writer([this](const std::stop_token& stop) {
    while (!stop.stop_requested()) append(*store, said("word"));
  });
  while (store->history(lobby_id, 0, 0, 1)->empty()) std::this_thread::yield();
  ASSERT_TRUE(store->backup(folder.file("copy.db")));
  writer.request_stop();
  writer.join();
  EXPECT_EQ(store->backup(folder.file("copy.db")).error().kind, Kind::conflict);
  EXPECT_EQ(store->backup(folder.file("no/such.db")).error().kind, Kind::read_only);
  EXPECT_FALSE(std::filesystem::exists(folder.file("copy.db.part")));
  const auto copy = chat_test::open_store(folder.file("copy.db"));
  const Sequence last = copy->rooms()->at(0).last;
  EXPECT_GT(last, 0U);
  EXPECT_EQ(append(*copy, said("word")), last + 1);
  EXPECT_EQ(copy->search({.words = "word", .rooms = {lobby_id}, .count = 1})->at(0).sequence,
            last + 1);
}

TEST(StoreMemory, CanBeCopiedToAFile) {
  const chat_test::Folder folder;
  const auto store = chat_test::open_store("");
  append(*store, said("kept"));
  ASSERT_TRUE(store->backup(folder.file()));
  EXPECT_THAT(texts(chat_test::open_store(folder.file())->history(lobby_id, 0, 0, 9)),
              ElementsAre("kept"));
}

TEST_F(StoreRecords, AreForTheOwnerOnly) {
  append(*store, said("x"));
  ASSERT_TRUE(store->backup(folder.file("copy.db")));
  for (const char* name : {"chat.db", "chat.db-wal", "chat.db-shm", "copy.db"}) {
    using std::filesystem::perms;
    const perms found = std::filesystem::status(folder.file(name)).permissions();
    EXPECT_EQ(found, perms::owner_read | perms::owner_write) << name;
  }
}

// More readers than there are connections for them, beside the writer: each sees whole batches.
TEST_F(StoreRecords, CanBeReadByManyThreadsWhileOneWrites) {
  std::vector<std::jthread> readers;
  for (int i = 0; i < 8; ++i)
    readers.emplace_back([this](const std::stop_token& stop) {
      do {
        const auto found = store->history(lobby_id, 0, ~Sequence{}, 1);
        ASSERT_TRUE(found) << found.error().text;
        if (!found->empty()) EXPECT_EQ(found->back().text, "second");
        EXPECT_TRUE(store->search({.words = "second", .rooms = {lobby_id}}));
      } while (!stop.stop_requested());
    });
  for (int i = 0; i < 50; ++i) {
    std::vector<Draft> drafts{said("first"), said("second")};
    ASSERT_TRUE(append(*store, drafts));
  }
}

}  // namespace
}  // namespace polyio::chat
