// The live page's dials and doors: what is refused, and what goes together.
#include <gtest/gtest.h>

#include <polyio/io/task_group.hpp>
#include <polyio/proto/http.hpp>
#include <polyio/sim/sim.hpp>
#include <stdexcept>

#include "lab/live/dials.hpp"
#include "lab/live/http.hpp"
#include "lab/live/page.hpp"

namespace polyio::lab {
namespace {

Bounds bounds() { return {list_models(), {.descriptors = 20'000, .memory = 1ull << 34}}; }

Point position(const std::string& model = "epoll", const std::string& architecture = "loop") {
  return {.model = model,
          .architecture = architecture,
          .handler = "echo",
          .connections = 100,
          .active = 100,
          .left_out = {},
          .policy = "fcfs"};
}

std::string why_not(const Point& now, const Json& change) {
  try {
    (void)turned(now, change, bounds());
    return "";
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
}

TEST(LiveTurn, IsAnObjectOfDials) {
  EXPECT_EQ(parse_turn(R"({"type": "turn", "dials": {"model": "poll"}})"),
            (Json{{"model", "poll"}}));
  EXPECT_EQ(parse_turn(R"({"dials": {}, "type": "turn"})"), Json::object());
}

TEST(LiveTurn, AnythingElseIsRefused) {
  const std::string deep = R"({"type": "turn", "dials": )" + std::string(3000, '[') + "}";
  for (const std::string& message :
       {std::string(), std::string("{"), std::string("[]"), std::string("null"), std::string("1"),
        std::string(R"({"type": "turn"})"), std::string(R"({"type": "turn", "dials": []})"),
        std::string(R"({"type": "say", "dials": {}})"),
        std::string(R"({"type": "turn", "dials": {}, "more": 1})"),
        std::string("{\"type\": \"turn\", \"dials\": {\"model\": \"\xff\"}}"), deep}) {
    EXPECT_THROW((void)parse_turn(message), std::invalid_argument) << message.substr(0, 80);
  }
}

TEST(LiveDials, ValuesAreChecked) {
  const Point now = position();
  EXPECT_EQ(why_not(now, {{"connections", 1000}, {"size", 1024}, {"rate", 50.5}}), "");
  for (const Json& change : std::vector<Json>{{{"modell", "poll"}},
                                              {{"model", 1}},
                                              {{"model", "none"}},
                                              {{"model", std::string(5000, 'x')}},
                                              {{"architecture", "lop"}},
                                              {{"policy", "lifo"}},
                                              {{"policy", ""}},
                                              {{"handler", "cpu"}},
                                              {{"handler", "sleep:2s"}},
                                              {{"connections", 0}},
                                              {{"connections", -1}},
                                              {{"connections", 1.5}},
                                              {{"connections", 1e300}},
                                              {{"connections", "many"}},
                                              {{"connections", Json()}},
                                              {{"active", -1}},
                                              {{"size", 0}},
                                              {{"size", 1 << 30}},
                                              {{"depth", 0}},
                                              {{"depth", 100'000}},
                                              {{"rate", -1}},
                                              {{"rate", 1e9}},
                                              {{"rate", "fast"}}}) {
    EXPECT_NE(why_not(now, change), "") << change.dump().substr(0, 80);
  }
  EXPECT_NE(why_not(now, {{"connections", 10'000}, {"depth", 1000}}).find("under way"),
            std::string::npos);
}

TEST(LiveDials, WhatDoesNotGoTogetherHasTheRegistrysReason) {
  const auto blocked = find_model("blocking")->refusals.front();
  EXPECT_NE(why_not(position(), {{"model", "blocking"}}).find(blocked.reason), std::string::npos);
  EXPECT_EQ(why_not(position(), {{"model", "blocking"}, {"architecture", "thread-per-connection"}}),
            "");
  EXPECT_NE(why_not(position(), {{"architecture", "iterative"}}).find("one connection after"),
            std::string::npos);
  EXPECT_EQ(why_not(position(), {{"architecture", "iterative"}, {"connections", 1}}), "");
  EXPECT_NE(why_not(position(), {{"connections", 30'000}}).find("descriptors"), std::string::npos);
  EXPECT_EQ(why_not(position("epoll", "loops"), {{"policy", "rr"}}), "");
  EXPECT_NE(why_not(position("epoll", "thread-pool"), {{"policy", "rr"}}).find("turns"),
            std::string::npos);
}

TEST(LiveDials, StandWhereTheyAreAskedToAndElseWhereItWorks) {
  EXPECT_EQ(first_position(Json::object(), bounds()).model, choose_model().model);
  const Point point = first_position({{"model", "blocking"}, {"connections", 7}}, bounds());
  EXPECT_EQ(point.architecture, "thread-per-connection");
  EXPECT_EQ(point.active, 7U);
  EXPECT_THROW((void)first_position({{"model", "none"}}, bounds()), std::invalid_argument);
}

TEST(LiveDials, AllThatAreOpenTalkUnlessFewerAreAskedFor) {
  Point point = turned(position(), {{"connections", 1000}}, bounds());
  EXPECT_EQ(point.active, 1000U);
  point = turned(point, {{"active", 10}}, bounds());
  EXPECT_EQ(point.active, 10U);
  EXPECT_EQ(turned(point, {{"connections", 100}}, bounds()).active, 10U);
  EXPECT_EQ(turned(point, {{"connections", 1}}, bounds()).active, 1U);
  EXPECT_EQ(position_of(turned(point, {{"active", 0}}, bounds()))["active"], 0);
}

TEST(LiveDials, APoolHasAWorkerForEach) {
  const Point pool = turned(position(), {{"architecture", "thread-pool"}}, bounds());
  EXPECT_EQ(pool.workers, 100U);
  EXPECT_EQ(turned(pool, {{"architecture", "loop"}}, bounds()).workers, 0U);
}

TEST(LiveDials, ChoicesSayWhyNot) {
  const Json all = choices_of(position(), bounds());
  std::map<std::string, std::string> models;
  for (const Json& choice : all.at(0).at("choices")) {
    models[choice.at("value").get<std::string>()] = choice.at("why_not").get<std::string>();
    EXPECT_NE(choice.at("says"), "");
  }
  EXPECT_EQ(models.at("poll"), "");
  EXPECT_NE(models.at("blocking"), "");
  EXPECT_EQ(models.count("kqueue"), 0U) << "of another system";
  Point odd = position();
  odd.connections = odd.active = 77;
  EXPECT_NE(choices_of(odd, bounds()).dump().find(R"({"value":77,"why_not":""})"),
            std::string::npos)
      << "the present value is a choice";
}

TEST(LiveDials, ADifferenceNamesWhatWasTurned) {
  Point after = position("poll");
  EXPECT_EQ(difference(position(), after), "model poll");
  after.rate = 2500;
  EXPECT_EQ(difference(position(), after), "model poll, rate 2500");
  after.connections = 200;
  EXPECT_EQ(difference(position("poll"), after), "connections 200, active 100, rate 2500");
}

TEST(LivePage, ItsPolicyHoldsForTheHeader) {
  const std::string policy = policy_of(live_page());
  EXPECT_TRUE(policy.starts_with("default-src 'none'; script-src 'sha256-")) << policy;
  EXPECT_TRUE(policy.ends_with("; frame-ancestors 'none'"));
  EXPECT_EQ(policy.find("unsafe"), policy.npos);
  EXPECT_LT(live_page().size(), 250'000U);
}

// The status that a request with these header lines gets.
int status_of(const std::string& line, const std::string& headers) {
  const PageServer server({.page = "<p>page</p>",
                           .policy = "default-src 'none'",
                           .host_names = {"lab.example"},
                           .greeting = {},
                           .obey = {}});
  proto::RequestParser parser;
  const std::string text = line + " HTTP/1.1\r\n" + headers + "\r\n";
  (void)parser.feed(std::as_bytes(std::span(text)));
  const PageServer::Answer answer = server.answer(parser.take_request());
  EXPECT_EQ(answer.upgraded, answer.bytes.starts_with("HTTP/1.1 101 "));
  return std::stoi(answer.bytes.substr(9, 3));
}

TEST(LivePage, IsGivenToThoseThatKnowItByItsOwnName) {
  EXPECT_EQ(status_of("GET /", "Host: 127.0.0.1:3997\r\n"), 200);
  EXPECT_EQ(status_of("HEAD /", "Host: localhost:3997\r\n"), 200);
  EXPECT_EQ(status_of("GET /", "Host: lab.example\r\n"), 200);
  EXPECT_EQ(status_of("GET /", "Host: rebound.example:3997\r\n"), 403);
  EXPECT_EQ(status_of("GET /other", "Host: localhost\r\n"), 404);
  EXPECT_EQ(status_of("DELETE /", "Host: localhost\r\n"), 405);
}

TEST(LivePage, NoOtherSitesPageTurnsTheDials) {
  const auto handshake = [](const std::string& more) {
    return status_of("GET /ws",
                     "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
                         more);
  };
  const std::string host = "Host: 127.0.0.1:3997\r\n";
  EXPECT_EQ(handshake(host), 101) << "a program, which has no origin";
  EXPECT_EQ(handshake(host + "Origin: http://127.0.0.1:3997\r\n"), 101);
  EXPECT_EQ(handshake(host + "Origin: http://127.0.0.1:8080\r\n"), 403);
  EXPECT_EQ(handshake(host + "Origin: https://evil.example\r\n"), 403);
  EXPECT_EQ(handshake(host + "Origin: null\r\n"), 403);
  EXPECT_EQ(handshake("Host: rebound.example:3997\r\nOrigin: http://rebound.example:3997\r\n"),
            403);
  EXPECT_EQ(handshake("Host: rebound.example:3997\r\n"), 403);
  EXPECT_EQ(status_of("GET /ws", host), 426);
}

// News for all is on its way when a browser says goodbye: the answer is sent all the same.
TEST(LivePage, ABrowserThatEndsGetsItsCloseFrameBesideNews) {
  Io io(std::make_unique<SimDriver>(SimOptions{}));
  std::function<void()> news;
  PageServer server({.page = "<p>page</p>",
                     .policy = "default-src 'none'",
                     .host_names = {},
                     .greeting = [] { return std::vector<Json>(); },
                     .obey = [&](std::string_view) { io.post(news); }});
  news = [&server] { server.tell(Json{{"type", "state"}}); };
  std::string heard;
  const auto scenario = [&]() -> Task<> {
    auto listener = io.listen(*os::Address::parse("10.0.0.1:80"), 8);
    auto client = co_await io.connect(*os::Address::parse("10.0.0.1:80"));
    auto stream = co_await listener->accept();
    auto both = [&](TaskGroup& group) -> Task<> {
      (void)group.spawn([&] { return server.serve(io, std::move(*stream)); });
      std::string said =
          "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
          "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
      said += std::string("\x81\x81\0\0\0\0x", 7);         // a message, after which there is news
      said += std::string("\x88\x82\0\0\0\0\x03\xe8", 8);  // goodbye
      auto sent = co_await client->send_all(said);
      EXPECT_TRUE(sent);
      for (;;) {
        auto chunk = co_await client->receive();
        if (!chunk || chunk->empty()) break;
        heard += chunk->text();
      }
      client->close();
    };
    co_await with_task_group(io, both);
  };
  io.run(scenario());
  EXPECT_TRUE(heard.ends_with("\x88\x02\x03\xe8")) << heard;
}

}  // namespace
}  // namespace polyio::lab
