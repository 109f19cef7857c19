// What search finds, and what it makes of queries that mean harm.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chat/store/store.hpp>
#include <polyio/base/random.hpp>

#include "files.hpp"

namespace polyio::chat {
namespace {

using chat_test::append;
using chat_test::said;
using chat_test::texts;
using testing::ElementsAre;
using testing::IsEmpty;
using Draft = Store::Draft;

class StoreSearch : public testing::Test {
 protected:
  std::vector<std::string> find(std::string words, std::vector<RoomId> rooms = {lobby_id}) {
    return texts(store->search({.words = std::move(words), .rooms = std::move(rooms)}));
  }
  Sequence say(std::string text, std::int64_t time_ms, RoomId room = lobby_id) {
    Draft draft = said(std::move(text), 1, room);
    draft.entry.time_ms = time_ms;
    return append(*store, draft);
  }
  void change(Entry::Kind kind, Sequence target, std::string text = "") {
    Draft draft = said(std::move(text));
    draft.entry.kind = kind;
    draft.entry.target = target;
    EXPECT_NE(append(*store, draft), 0U);
  }

  std::unique_ptr<Store> store = chat_test::open_store("");
};

struct Case {
  const char* text;
  const char* query;
  bool found;
};

TEST_F(StoreSearch, FindsWhatIsMeant) {
  constexpr Case cases[] = {
      {"The deploy is done", "deploy", true},
      {"The deploy is done", "DEPLOY the", true},
      {"The deploy is done", "deploy failed", false},
      {"The deploy is done", "deploy*", true},
      {"deployment", "deploy", false},
      {"deployment", "deploy*", true},
      {"deployment", "\"deploy\"*", true},
      {"deployment", "de*", false},  // too short for a prefix: the word "de"
      {"de facto", "de*", true},
      {"a b c", "\"a b\"", true},
      {"a b c", "\"a c\"", false},
      {"a b c", "\"b c", true},  // a quote that is not closed goes to the end
      {"a b c", "a\"c\"", true},
      {"Ångström café", "angstrom CAFE", true},
      {"Привет, мир", "привет", true},
      {"see foo-bar.cpp", "foo-bar", true},
      {"see foo bar", "foo-bar", true},
      {"see bar foo", "foo-bar", false},
      {"我们明天开会讨论数据库", "数据库", true},
      {"我们明天开会讨论数据库", "明天 数据", true},
      {"我们明天开会讨论数据库", "明天　数据", true},  // an ideographic space
      {"我们明天开会讨论数据库", "据数", false},
      {"用Rust写的", "rust", true},
      {"用Rust写的", "用rust写", true},
      {"東京タワーに行きました", "タワー", true},
      {"東京タワーに行きました", "に行き", true},
      {"한국어 문장입니다", "문장", true},
      {"한국어 문장입니다", "장문", false},
      {"𠀋 is rare", "𠀋", true},
      {"all the same", "", false},
      {"all the same", " \t\n", false},
      {"all the same", "!!!", false},
      {"all the same", "same !!!", true},
  };
  for (const auto& [text, query, found] : cases) {
    store = chat_test::open_store("");
    append(*store, said(text));
    EXPECT_EQ(find(query).size(), found ? 1U : 0U) << text << " by " << query;
  }
}

TEST_F(StoreSearch, TakesNothingInAQueryForSyntax) {
  append(*store, said("near text and or not column"));
  for (const char* query : {"\"",
                            "\"\"",
                            "*",
                            "**",
                            "\"*\"*",
                            "^near",
                            "NEAR(a b",
                            "text : near",
                            "{text}: near",
                            "-text",
                            "a AND",
                            "OR",
                            "NOT",
                            "AND OR NOT",
                            "(",
                            ")",
                            "((((((((",
                            "near + text",
                            "'; DROP TABLE x",
                            "text\\",
                            "\xff\xfe",
                            "\xe4\xb8",
                            "a\"b\"c\"",
                            "found:near",
                            ",",
                            "\\u0000",
                            ":*",
                            "^"}) {
    const auto found = store->search({.words = query, .rooms = {lobby_id}});
    EXPECT_TRUE(found) << query << ": " << found.error().text;
  }
  EXPECT_THAT(find("near AND or"), ElementsAre("near text and or not column")) << "plain words";
  EXPECT_THAT(find(std::string("near\0text", 9)), ElementsAre("near text and or not column"));
  EXPECT_THAT(find("near -text"), ElementsAre("near text and or not column")) << "no operator";
  EXPECT_THAT(find("text:near"), IsEmpty()) << "two words in this order";
}

TEST_F(StoreSearch, AnswersAnyBytes) {
  append(*store, said("x"));
  Random random(13);
  constexpr std::string_view alphabet = "\"*()^:-+{}' aA\xe4\xb8\xad\xff\0~NEARORNOT,";
  for (int round = 0; round < 2000; ++round) {
    std::string query;
    for (auto length = random.below(40); length > 0; --length)
      query += alphabet[random.below(alphabet.size())];
    const auto found = store->search({.words = query, .rooms = {lobby_id}});
    ASSERT_TRUE(found) << testing::PrintToString(query) << found.error().text;
  }
  EXPECT_TRUE(store->search({.words = std::string(1'000'000, '"'), .rooms = {lobby_id}}));
  EXPECT_TRUE(store->search({.words = std::string(1'000'000, 'a'), .rooms = {lobby_id}}));
}

TEST_F(StoreSearch, FindsTheNewTextOfAnEditAndNothingOfARemoval) {
  append(*store, said("old words"));
  append(*store, said("secret words"));
  change(Entry::Kind::edit, 1, "fresh words");
  change(Entry::Kind::removal, 2);
  EXPECT_THAT(find("old"), IsEmpty());
  EXPECT_THAT(find("secret"), IsEmpty());
  EXPECT_THAT(find("words"), ElementsAre("fresh words"));
}

TEST_F(StoreSearch, FindsNeitherTopicsNorEditsThemselves) {
  Draft topic = said("topical");
  topic.entry.kind = Entry::Kind::topic;
  append(*store, topic);
  append(*store, said("a"));
  change(Entry::Kind::edit, 2, "topical too");
  const auto found = store->search({.words = "topical", .rooms = {lobby_id}});
  ASSERT_TRUE(found);
  ASSERT_EQ(found->size(), 1U);
  EXPECT_EQ(found->at(0).sequence, 2U);
}

TEST_F(StoreSearch, LooksOnlyInTheRoomsAndMergesThemByTime) {
  const RoomId a = *store->add_room({.name = "#a"}, "#a"),
               b = *store->add_room({.name = "#b"}, "#b");
  for (int i = 0; i < 6; ++i)
    say("word " + std::to_string(i), 1000 + i, i % 3 == 0 ? lobby_id : i % 3 == 1 ? a : b);
  EXPECT_THAT(find("word", {lobby_id, a, b}),
              ElementsAre("word 5", "word 4", "word 3", "word 2", "word 1", "word 0"));
  EXPECT_THAT(find("word", {b, lobby_id, b}), ElementsAre("word 5", "word 3", "word 2", "word 0"));
  EXPECT_THAT(find("word", {}), IsEmpty());
  EXPECT_THAT(find("word", {99, -1}), IsEmpty());
  EXPECT_THAT(texts(store->search({.words = "word", .rooms = {lobby_id, a, b}, .count = 2})),
              ElementsAre("word 5", "word 4"));
}

// Pages of any size, in rooms whose entries share milliseconds, are all there is, each once.
TEST_F(StoreSearch, PagesWithoutAGapOrARepetition) {
  const RoomId other = *store->add_room({.name = "#a"}, "#a");
  Random random(7);
  std::vector<std::string> expected;
  for (int i = 0; i < 60; ++i) {
    const bool matches = random.below(3) != 0;
    say((matches ? "word " : "other ") + std::to_string(i), 1000 + i / 4,
        random.below(2) == 0 ? lobby_id : other);
    if (matches) expected.push_back("word " + std::to_string(i));
  }
  std::ranges::sort(expected);
  for (const std::size_t count : {1, 2, 7, 50, 8}) {
    std::vector<std::string> seen;
    for (std::int64_t before = 0; seen.size() < 200;) {
      const auto page = store->search({.words = count % 2 == 0 ? "word" : "wor*",
                                       .rooms = {lobby_id, other},
                                       .before_ms = before,
                                       .count = count});
      ASSERT_TRUE(page);
      if (page->empty()) break;
      for (const Entry& entry : *page) seen.push_back(entry.text);
      before = page->back().time_ms;
    }
    std::ranges::sort(seen);
    EXPECT_EQ(seen, expected) << count;
  }
}

TEST_F(StoreSearch, RepeatsNothingAfterAClockWasSetBack) {
  for (const std::int64_t time : {100, 200, 300, 150, 160, 310}) say("word", time);
  std::vector<Sequence> seen;
  for (std::int64_t before = 0; seen.size() < 20;) {
    const auto page =
        store->search({.words = "word", .rooms = {lobby_id}, .before_ms = before, .count = 1});
    ASSERT_TRUE(page);
    if (page->empty()) break;
    for (const Entry& entry : *page) seen.push_back(entry.sequence);
    before = page->back().time_ms;
  }
  std::ranges::sort(seen);
  EXPECT_EQ(std::ranges::adjacent_find(seen), seen.end());
}

}  // namespace
}  // namespace polyio::chat
