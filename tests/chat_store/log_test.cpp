// The rooms' logs: numbers, pages of history, repeated sends, edits and removals.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chat/store/store.hpp>

#include "files.hpp"

namespace polyio::chat {
namespace {

using chat_test::append;
using chat_test::said;
using chat_test::texts;
using testing::ElementsAre;
using testing::IsEmpty;
using Draft = Store::Draft;

// Both kinds of store do the same.
class StoreLog : public testing::TestWithParam<bool> {
 protected:
  std::string path() const { return GetParam() ? folder_.file() : ""; }
  Store& store() { return *store_; }
  Draft change(Entry::Kind kind, Sequence target, PersonId author, std::string text = "") {
    Draft draft = said(std::move(text), author);
    draft.entry.kind = kind;
    draft.entry.target = target;
    return draft;
  }

 private:
  chat_test::Folder folder_;
  std::unique_ptr<Store> store_ = chat_test::open_store(path());
};

TEST_P(StoreLog, NumbersEachRoomsEntriesFromOne) {
  const auto other = store().add_room({.name = "#other"}, "#other");
  ASSERT_TRUE(other);
  std::vector<Draft> drafts{said("a"), said("x", 2, *other), said("b"), said("y", 2, *other)};
  ASSERT_TRUE(append(store(), drafts));
  EXPECT_EQ(append(store(), said("c")), 3U);
  EXPECT_EQ(drafts[3].entry.sequence, 2U);
  EXPECT_THAT(texts(store().history(lobby_id, 0, 0, 10)), ElementsAre("a", "b", "c"));
  EXPECT_THAT(texts(store().history(*other, 0, 0, 10)), ElementsAre("x", "y"));
  EXPECT_THAT(texts(store().history(*other + 1, 0, 0, 10)), IsEmpty());
}

TEST_P(StoreLog, KeepsWhatAnEntryHas) {
  using namespace std::string_literals;
  Draft draft = said("hello\0there\n中文"s, first_guest + 7);
  draft.entry.kind = Entry::Kind::action;
  draft.entry.name = "Ännchen";
  draft.entry.time_ms = 1'700'000'000'123;
  draft.entry.key = "k1";
  append(store(), draft);
  const auto found = store().history(lobby_id, 0, 0, 1);
  ASSERT_TRUE(found);
  const Entry& entry = found->at(0);
  EXPECT_EQ(entry.room, lobby_id);
  EXPECT_EQ(entry.text, draft.entry.text);
  EXPECT_EQ(entry.name, "Ännchen");
  EXPECT_EQ(entry.author, first_guest + 7);
  EXPECT_EQ(entry.kind, Entry::Kind::action);
  EXPECT_EQ(entry.time_ms, 1'700'000'000'123);
  EXPECT_EQ(entry.key, "k1");
  EXPECT_FALSE(entry.edited || entry.removed);
}

TEST_P(StoreLog, ReadsPagesForwardsAndBackwards) {
  for (const char* text : {"1", "2", "3", "4", "5", "6"}) append(store(), said(text));
  EXPECT_THAT(texts(store().history(lobby_id, 4, 0, 10)), ElementsAre("5", "6"));
  EXPECT_THAT(texts(store().history(lobby_id, 1, 0, 2)), ElementsAre("2", "3"));
  EXPECT_THAT(texts(store().history(lobby_id, 0, 4, 2)), ElementsAre("2", "3"));
  EXPECT_THAT(texts(store().history(lobby_id, 2, 5, 10)), ElementsAre("3", "4"));
  EXPECT_THAT(texts(store().history(lobby_id, 0, 1, 10)), IsEmpty());
  EXPECT_THAT(texts(store().history(lobby_id, 0, ~Sequence{}, 2)), ElementsAre("5", "6"));
  EXPECT_THAT(texts(store().history(lobby_id, ~Sequence{}, 0, 2)), IsEmpty());
  EXPECT_THAT(texts(store().history(lobby_id, 0, 0, 0)), IsEmpty());
}

TEST_P(StoreLog, WritesARepeatedSendOnce) {
  Draft first = said("once"), again = said("twice"), other = said("another's", 2);
  first.entry.key = again.entry.key = other.entry.key = "key";
  again.entry.time_ms = 2000;
  EXPECT_EQ(append(store(), first), 1U);
  std::vector<Draft> drafts{other, again};  // a guest that has come back is another person
  ASSERT_TRUE(append(store(), drafts));
  for (const Draft& draft : drafts) {
    EXPECT_EQ(draft.entry.sequence, 1U);
    EXPECT_TRUE(draft.repeated);
    EXPECT_EQ(draft.entry.text, "once");
    EXPECT_EQ(draft.entry.time_ms, 1000);
  }
  EXPECT_THAT(texts(store().history(lobby_id, 0, 0, 10)), ElementsAre("once"));
}

TEST_P(StoreLog, FindsARepeatedSendInItsOwnBatchAndNotInAnotherRoom) {
  const auto room = store().add_room({.name = "#other"}, "#other");
  ASSERT_TRUE(room);
  std::vector<Draft> drafts{said("a"), said("b"), said("c", 1, *room)};
  for (Draft& draft : drafts) draft.entry.key = std::string(64, 'k');
  ASSERT_TRUE(append(store(), drafts));
  EXPECT_TRUE(drafts[1].repeated);
  EXPECT_EQ(drafts[1].entry.sequence, 1U);
  EXPECT_FALSE(drafts[2].repeated);
  EXPECT_EQ(drafts[2].entry.sequence, 1U);
}

TEST_P(StoreLog, RefusesAloneWhatHasNoRoomOrTooLongAKey) {
  std::vector<Draft> drafts{said("a", 1, 77), said("b"), said("c", 1, -1), said("d")};
  drafts[3].entry.key = std::string(65, 'k');
  ASSERT_TRUE(append(store(), drafts));
  EXPECT_EQ(drafts[0].entry.sequence, 0U);
  EXPECT_EQ(drafts[1].entry.sequence, 1U);
  EXPECT_EQ(drafts[2].entry.sequence, 0U);
  EXPECT_EQ(drafts[3].entry.sequence, 0U);
  EXPECT_THAT(texts(store().history(lobby_id, 0, 0, 10)), ElementsAre("b"));
}

TEST_P(StoreLog, EditsForAReaderThatHasTheOldTextAndForANewOne) {
  append(store(), said("teh"));
  EXPECT_EQ(append(store(), change(Entry::Kind::edit, 1, 1, "the")), 2U);
  EXPECT_EQ(append(store(), change(Entry::Kind::edit, 1, 1, "the end")), 3U);
  const auto found = store().history(lobby_id, 0, 0, 10);
  EXPECT_THAT(texts(found), ElementsAre("the end", "the end", "the end"));
  EXPECT_TRUE(found->at(0).edited);
  EXPECT_EQ(found->at(1).kind, Entry::Kind::edit);
  EXPECT_EQ(found->at(1).target, 1U);
  EXPECT_FALSE(found->at(1).edited);
}

TEST_P(StoreLog, RemovesTheTextAndRemembersThat) {
  append(store(), said("secret"));
  append(store(), change(Entry::Kind::edit, 1, 1, "secrets"));
  EXPECT_EQ(append(store(), change(Entry::Kind::removal, 1, 1)), 3U);
  const auto found = store().history(lobby_id, 0, 0, 10);
  EXPECT_THAT(texts(found), ElementsAre("", "", ""));
  EXPECT_TRUE(found->at(0).removed && found->at(0).edited);
  EXPECT_EQ(found->at(2).kind, Entry::Kind::removal);
  EXPECT_EQ(append(store(), change(Entry::Kind::edit, 1, 1, "back")), 0U) << "it is removed";
}

TEST_P(StoreLog, ChangesOnlyTheAuthorsMessagesOrForAnOperator) {
  append(store(), said("ann's"));
  Draft topic = said("topic");
  topic.entry.kind = Entry::Kind::topic;
  EXPECT_EQ(append(store(), topic), 2U);
  for (const auto kind : {Entry::Kind::edit, Entry::Kind::removal}) {
    EXPECT_EQ(append(store(), change(kind, 1, 2, "bob's")), 0U) << "another's";
    EXPECT_EQ(append(store(), change(kind, 2, 1, "t")), 0U) << "a topic";
    EXPECT_EQ(append(store(), change(kind, 3, 1, "t")), 0U) << "not there";
    EXPECT_EQ(append(store(), change(kind, 0, 1, "t")), 0U) << "no number";
    EXPECT_EQ(append(store(), change(kind, ~Sequence{}, 1, "t")), 0U) << "no number";
  }
  EXPECT_THAT(texts(store().history(lobby_id, 0, 0, 10)), ElementsAre("ann's", "topic"));
  Draft removal = change(Entry::Kind::removal, 1, 2);
  removal.by_operator = true;
  EXPECT_EQ(append(store(), removal), 3U);
  EXPECT_TRUE(store().history(lobby_id, 0, 0, 1)->at(0).removed);
  EXPECT_EQ(append(store(), change(Entry::Kind::edit, 3, 2, "t")), 0U) << "a removal";
}

INSTANTIATE_TEST_SUITE_P(, StoreLog, testing::Bool(),
                         [](const auto& of) { return of.param ? "file" : "memory"; });

TEST(StoreFile, GoesOnAfterItWasOpenedAgain) {
  const chat_test::Folder folder;
  auto store = chat_test::open_store(folder.file());
  append(*store, said("a"));
  const auto again = chat_test::open_store(folder.file());
  EXPECT_EQ(append(*again, said("b")), 2U);
  EXPECT_EQ(append(*store, said("c")), 3U) << "what another connection wrote counts";
}

}  // namespace
}  // namespace polyio::chat
