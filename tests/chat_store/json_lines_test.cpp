// The store as JSON lines: what goes out comes in again, twice without harm, and wrong lines do
// not.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chat/store/json_lines.hpp>
#include <chat/store/password.hpp>
#include <sstream>

#include "files.hpp"

namespace polyio::chat {
namespace {

using chat_test::append;
using chat_test::said;
using chat_test::texts;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using Draft = Store::Draft;
using Kind = StoreError::Kind;

std::string exported(const Store& store, const ExportOptions& options = {}) {
  std::ostringstream to;
  const auto lines = export_lines(store, to, options);
  if (!lines) return "error: " + lines.error().text;
  std::string text = to.str();
  EXPECT_EQ(*lines, static_cast<std::uint64_t>(std::ranges::count(text, '\n')));
  return text;
}

Stored<Imported> import_text(Store& store, const std::string& text) {
  std::istringstream from(text);
  return import_lines(store, from);
}

std::string lines(std::initializer_list<const char*> of) {
  std::string text = "{\"polyio_chat\":1}\n";
  for (const char* line : of) text.append(line).append("\n");
  return text;
}

class JsonLines : public testing::Test {
 protected:
  void fill() {
    ada = *store->add_account("Ada", "ada", "");
    // Of "pw", with little memory.
    const std::string hash =
        "$argon2id$v=19$m=8,t=1,p=1$YkB6W1VcCV3Hj92uxZG9Rw$1aiKKF3Vkf"
        "1XHBtb2jo2EPSiAXMsLNCjVRdJMsMqdrQ";
    ASSERT_TRUE(store->change_account({ada, "Ada", hash, true, false}, "ada"));
    bob = *store->add_account("Bob", "bob", "");
    room = *store->add_room({.name = "#Ops",
                             .topic = "a \"topic\"",
                             .is_private = true,
                             .read_only = true,
                             .keep_days = 9},
                            "#ops");
    const RoomId pair = *store->add_room({.one = ada, .other = bob}, "");
    const Membership both[] = {{room, ada, Role::founder, false, false, 2},
                               {room, bob, Role::none, true, true, 0}};
    ASSERT_TRUE(store->set_memberships(both));
    ASSERT_TRUE(store->ban_address(0, "1.2.3.4", true));
    ASSERT_TRUE(store->ban_address(room, "::1", true));
    append(*store, said("first\nline", ada, room));
    append(*store, said("wrogn", ada, room));
    append(*store, said("gone", first_guest + 5, room));
    change(Entry::Kind::edit, 2, ada, "中文 \\ \"right\"");
    change(Entry::Kind::removal, 3, first_guest + 5);
    append(*store, said("between us", bob, pair));
    Draft action = said("waves", bob);
    action.entry.kind = Entry::Kind::action;
    append(*store, action);
  }
  void change(Entry::Kind kind, Sequence target, PersonId author, std::string text = "") {
    Draft draft = said(std::move(text), author, room);
    draft.entry.kind = kind;
    draft.entry.target = target;
    ASSERT_NE(append(*store, draft), 0U);
  }

  std::unique_ptr<Store> store = chat_test::open_store("");
  PersonId ada = 0, bob = 0;
  RoomId room = 0;
};

TEST_F(JsonLines, BringAStoreToAnotherMachine) {
  fill();
  const std::string text = exported(*store, {.passwords = true});
  const auto other = chat_test::open_store("");
  const auto done = import_text(*other, text);
  ASSERT_TRUE(done) << done.error().text;
  EXPECT_EQ(done->accounts, 2U);
  EXPECT_EQ(done->rooms, 2U) << "the lobby is there";
  EXPECT_EQ(done->entries, 7U);
  EXPECT_EQ(exported(*other, {.passwords = true}), text);
  EXPECT_TRUE(verify_password(other->accounts()->at(0).password, "pw"));
  EXPECT_EQ(texts(other->search({.words = "right", .rooms = {room}})).size(), 1U);
  EXPECT_EQ(texts(other->search({.words = "wrogn", .rooms = {room}})).size(), 0U);
}

TEST_F(JsonLines, MayComeInTwice) {
  fill();
  const std::string text = exported(*store);
  const auto again = import_text(*store, text);
  ASSERT_TRUE(again) << again.error().text;
  EXPECT_EQ(again->accounts + again->rooms + again->entries, 0U);
  EXPECT_EQ(exported(*store), text);
}

TEST_F(JsonLines, GiveAccountsAndRoomsTheNumbersThatAreFree) {
  fill();
  const std::string text = exported(*store);
  const auto other = chat_test::open_store("");
  (void)other->add_account("Zoe", "zoe", "");
  const PersonId there = *other->add_account("Ada", "ada", "");
  (void)other->add_room({.name = "#first"}, "#first");
  ASSERT_TRUE(import_text(*other, text));
  const auto rooms = other->rooms();
  ASSERT_EQ(rooms->size(), 4U);
  EXPECT_EQ(rooms->at(2).name, "#Ops");
  EXPECT_EQ(rooms->at(3).one, there);
  const auto log = other->history(rooms->at(2).id, 0, 0, 10);
  EXPECT_EQ(log->at(0).author, there);
  EXPECT_EQ(log->at(2).author, first_guest + 5) << "a guest's";
  Draft more = said("more", there, rooms->at(2).id);
  EXPECT_EQ(append(*other, more), 6U);
}

TEST_F(JsonLines, HoldNoPasswordUnlessAsked) {
  fill();
  EXPECT_THAT(exported(*store), Not(HasSubstr("argon2")));
  EXPECT_THAT(exported(*store, {.passwords = true}), HasSubstr("$argon2id$"));
}

TEST_F(JsonLines, MayBeOfSomeRooms) {
  fill();
  const std::string text = exported(*store, {.rooms = {lobby_id}});
  EXPECT_THAT(text, HasSubstr("waves"));
  EXPECT_THAT(text, Not(HasSubstr("Ops")));
  EXPECT_THAT(text, Not(HasSubstr("between us")));
  EXPECT_THAT(text, Not(HasSubstr("1.2.3.4")));
}

TEST_F(JsonLines, NumberARoomOnAfterWhatWasTidied) {
  const RoomId old = *store->add_room({.name = "#old", .keep_days = 1}, "#old");
  for (int i = 0; i < 3; ++i) append(*store, said("x", 1, old));
  while (*store->tidy(std::int64_t{1} << 40, 10)) continue;
  const auto other = chat_test::open_store("");
  ASSERT_TRUE(import_text(*other, exported(*store)));
  EXPECT_EQ(append(*other, said("y", 1, other->rooms()->at(1).id)), 4U);
}

TEST_F(JsonLines, AreManyWithoutBeingHeldAtOnce) {
  for (int i = 0; i < 3; ++i) {
    std::vector<Draft> drafts(700, said("x"));
    ASSERT_TRUE(append(*store, drafts));
  }
  const auto other = chat_test::open_store("");
  EXPECT_EQ(import_text(*other, exported(*store))->entries, 2100U);
  EXPECT_EQ(other->rooms()->at(0).last, 2100U);
}

TEST_F(JsonLines, ThatAreWrongAreNamedByTheirNumber) {
  struct Case {
    const char* line;
    const char* words;
  };
  const Case cases[] = {
      {"x", "no JSON object"},
      {"[]", "no JSON object"},
      {"7", "no JSON object"},
      {"{}", "neither account"},
      {R"({"entry":1} x)", "no JSON object"},
      {R"({"entry":[1]})", "no JSON object"},
      {R"({"entry":{"a":1}})", "no JSON object"},
      {R"({"entry":null})", "no JSON object"},
      {R"({"entry":1.5})", "no JSON object"},
      {R"({"entry":99999999999999999999})", "no JSON object"},
      {R"({"entry":1,"entry":1})", "no JSON object"},
      {"{\"account\":1,\"name\":\"\xff\"}", "no JSON object"},
      {R"({"account":1,"name":"a\u001b[2J"})", "no JSON object"},
      {R"({"account":1,"name":"a\u0000"})", "no JSON object"},
      {R"({"account":1,"name":" a"})", "\"name\""},
      {R"({"account":1,"name":7})", "\"name\""},
      {R"({"account":-1,"name":"a"})", "\"account\""},
      {R"({"account":4294967296,"name":"a"})", "\"account\""},
      {R"({"account":1,"name":"a","password":"pw"})", "\"password\""},
      {R"({"account":1,"name":"a","admin":1})", "\"admin\""},
      {R"({"account":1,"name":"a","shoe":1})", "not known"},
      {R"({"room":2,"name":"ops"})", "\"name\""},
      {R"({"room":2})", "\"name\""},
      {R"({"room":2,"one":5,"other":6})", "\"name\""},
      {R"({"room":2,"name":"#a","keep_days":-1})", "\"keep_days\""},
      {R"({"member":1,"room":2,"role":"member"})", "\"room\""},
      {R"({"member":1,"room":1,"role":"king"})", "\"role\""},
      {R"({"member":1,"room":1,"role":"member"})", "\"member\""},
      {R"({"entry":1,"room":7,"kind":"message"})", "\"room\""},
      {R"({"entry":1,"kind":"message"})", "\"entry\""},
      {R"({"entry":0,"room":1,"kind":"message"})", "\"entry\""},
      {R"({"entry":1099511627776,"room":1,"kind":"message"})", "\"entry\""},
      {R"({"entry":1,"room":1,"kind":"shout"})", "\"kind\""},
  };
  for (const auto& [line, words] : cases) {
    const auto done = import_text(*store, lines({R"({"room":1,"name":"#lobby"})", line}));
    ASSERT_FALSE(done) << line;
    EXPECT_EQ(done.error().kind, Kind::refused);
    EXPECT_THAT(done.error().text, StartsWith("line 3: ")) << line;
    EXPECT_THAT(done.error().text, HasSubstr(words)) << line;
  }
  EXPECT_EQ(store->rooms()->at(0).last, 0U);
  EXPECT_TRUE(store->accounts()->empty());
}

TEST_F(JsonLines, BeginWithWhatTheyAre) {
  EXPECT_THAT(import_text(*store, R"({"room":1})").error().text, StartsWith("line 1: no export"));
  EXPECT_EQ(import_text(*store, R"({"polyio_chat":2})").error().kind, Kind::newer);
  EXPECT_TRUE(import_text(*store, R"({"polyio_chat":1})")) << "no newline at the end";
  EXPECT_THAT(import_text(*store, "").error().text, HasSubstr("it is empty"));
}

TEST_F(JsonLines, ThatAreTooLongOrDeepAreRefused) {
  const std::string deep(1'000'000, '[');
  EXPECT_THAT(import_text(*store, lines({deep.c_str()})).error().text,
              StartsWith("line 2: no JSON"));
  const std::string wide = R"({"account":1,"name":")" + std::string(1 << 20, 'a') + "\"}";
  EXPECT_THAT(import_text(*store, lines({wide.c_str()})).error().text,
              StartsWith("line 2: longer than"));
}

TEST_F(JsonLines, KeepWhatCameBeforeAWrongLine) {
  const auto done = import_text(
      *store, lines({R"({"room":1,"name":"#lobby"})",
                     R"({"entry":4,"room":1,"name":"a","kind":"message","text":"kept"})", "x"}));
  EXPECT_THAT(done.error().text, StartsWith("line 4: "));
  EXPECT_THAT(texts(store->history(lobby_id, 0, 0, 9)), ElementsAre("kept"));
}

TEST_F(JsonLines, WithAnotherTextForANumberAreAConflict) {
  append(*store, said("mine"));
  const auto done = import_text(
      *store, lines({R"({"room":1,"name":"#lobby"})",
                     R"({"entry":1,"room":1,"name":"a","kind":"message","text":"theirs"})"}));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().kind, Kind::conflict);
  EXPECT_THAT(done.error().text, HasSubstr("another entry 1"));
  EXPECT_THAT(texts(store->history(lobby_id, 0, 0, 9)), ElementsAre("mine"));
}

TEST_F(JsonLines, ThatCannotBeWrittenAreAnError) {
  std::ostringstream to;
  to.setstate(std::ios::badbit);
  EXPECT_EQ(export_lines(*store, to).error().kind, Kind::full);
}

}  // namespace
}  // namespace polyio::chat
