// Slow and silent clients, on the sim driver's clock: each kind is dropped at its timeout and not
// before, a line client that only listens stays, and a healthy client is served all the while.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chat/model/chat.hpp>
#include <chat/sessions/sessions.hpp>
#include <polyio/io/task_group.hpp>
#include <polyio/sim/sim.hpp>

namespace polyio::chat {
namespace {

using namespace std::chrono_literals;

// What a slow client sends first, and then one byte each second.
struct Kind {
  std::string name, first, drip;
  Nanoseconds least, most;  // until it is dropped
  bool reads = true;
};

constexpr std::string_view upgrade =
    "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Origin: http://localhost\r\n\r\n";

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all{
      {"head", "GET / HTTP/1.1\r\n", "X", 4s, 11s},
      {"half a head", "GET / HTTP/1.1\r\nHost: loc", "", 4s, 11s},
      {"line", "begun", "x", 19s, 26s},
      {"line too long", "hi\n" + std::string(300, 'x'), "x", 19s, 26s},
      {"no pong", std::string(upgrade), "", 13s, 26s},
      // A frame of 125 bytes that never ends.
      {"frame", std::string(upgrade) + "\x81\xfd\x01\x01\x01\x01", "y", 13s, 26s},
  };
  return all;
}

class SlowClients {
 public:
  explicit SlowClients(Io& io)
      : io_(io),
        chat_({.max_line = 256,
               .request_timeout = 5s,
               .answer_timeout = 5s,
               .line_timeout = 20s,
               .ping_interval = 7s,
               .write_inline = true}) {
    chat_.open({&io});
  }

  Task<> run() {
    auto listener = io_.listen(*os::Address::parse("10.0.0.1:80"), 256);
    auto all = [&](TaskGroup& group) -> Task<> {
      (void)group.spawn([&] { return accept_all(*listener, group); });
      auto clients = [this](TaskGroup& crowd) -> Task<> {
        (void)crowd.spawn([&] { return talk(); });
        (void)crowd.spawn([&] { return listen_only(); });
        for (int i = 0; i < 200; ++i) {
          const Kind& kind = kinds()[static_cast<std::size_t>(i) % kinds().size()];
          (void)crowd.spawn([&] { return be_slow(kind); });
        }
        co_return;
      };
      co_await with_task_group(io_, clients);
      group.cancel();
    };
    co_await with_task_group(io_, all);
    EXPECT_EQ(let_go_, 200);
    EXPECT_EQ(chat_.people(), 0u);
    EXPECT_EQ(chat_.lobby(io_).listening(), 0u);
  }

 private:
  Task<> accept_all(Listener& listener, TaskGroup& group) {
    for (;;) {
      auto stream = co_await listener.accept();
      if (!stream) co_return;
      (void)group.spawn([&] { return serve_connection(chat_, std::move(*stream)); });
    }
  }

  Task<> be_slow(const Kind& kind) {
    auto stream = co_await io_.connect(*os::Address::parse("10.0.0.1:80"));
    if (!stream) co_return;
    const TimePoint begin = io_.now();
    auto both = [&](TaskGroup& group) -> Task<> {
      (void)group.spawn([&] { return drip(*stream, kind); });
      bool ended = false;
      while (!ended) {
        auto chunk = co_await stream->receive();
        ended = !chunk || chunk->empty();
      }
      group.cancel();
    };
    co_await with_task_group(io_, both);
    const Nanoseconds stayed = io_.now() - begin;
    EXPECT_GE(stayed, kind.least) << kind.name;
    EXPECT_LE(stayed, kind.most) << kind.name;
    ++let_go_;
  }
  Task<> drip(Stream& stream, const Kind& kind) {
    std::string_view bytes = kind.first;
    for (;;) {
      auto sent = co_await stream.send_all(bytes);
      if (!sent || kind.drip.empty()) co_return;
      auto slept = co_await io_.sleep(1s);
      if (!slept) co_return;
      bytes = kind.drip;
    }
  }

  // Hears what it says within a second, each second for a minute: longer than any slow one stays.
  Task<> talk() {
    auto stream = co_await io_.connect(*os::Address::parse("10.0.0.1:80"));
    for (int i = 0; i < 60; ++i) {
      const std::string text = fmt::format("healthy {}", i);
      auto sent = co_await stream->send_all(text + "\n");
      EXPECT_TRUE(sent);
      CancelScope patience(io_, 1s);
      std::string got;
      while (!got.contains("] " + text + "\n")) {
        auto chunk = co_await stream->receive();
        EXPECT_TRUE(chunk && !chunk->empty()) << "the healthy client waits too long, or was cut";
        if (!chunk || chunk->empty()) co_return;
        got += chunk->text();
      }
      auto slept = co_await io_.sleep(1s);
      (void)slept;
    }
    stream->close();
  }
  // Silent for a minute, but it hears the others.
  Task<> listen_only() {
    auto stream = co_await io_.connect(*os::Address::parse("10.0.0.1:80"));
    std::string got;
    while (!got.contains("healthy 59\n")) {
      auto chunk = co_await stream->receive();
      EXPECT_TRUE(chunk && !chunk->empty()) << "a client that listens was dropped";
      if (!chunk || chunk->empty()) co_return;
      got += chunk->text();
    }
  }

  Io& io_;
  Chat chat_;
  int let_go_ = 0;
};

TEST(SlowClients, AreLetGoAndAHealthyOneStays) {
  SimOptions options;
  options.delay_max = 100us;
  options.max_turns = 10'000'000;
  Io io(std::make_unique<SimDriver>(options));
  SlowClients slow(io);
  io.run(slow.run());
}

// Little of what is sent is taken before it is read.
SimOptions small_windows() {
  SimOptions options;
  options.window_min = options.window_max = 1024;
  return options;
}

struct Connected {
  Stream client, served;
};
Task<Connected> connected(Io& io) {
  const auto server = os::Address::parse("10.0.0.1:80");
  auto listener = io.listen(*server, 8);
  auto client = co_await io.connect(*server);
  auto served = co_await listener->accept();
  Connected both{std::move(*client), std::move(*served)};
  co_return both;
}

// A client that asks for the page and never reads it is dropped at the timeout.
TEST(SlowClients, OneThatDoesNotTakeTheAnswerIsDropped) {
  Io io(std::make_unique<SimDriver>(small_windows()));
  Chat chat({.answer_timeout = 5s, .farewell = 1s, .write_inline = true});
  chat.open({&io});
  const auto scenario = [&]() -> Task<> {
    auto ends = co_await connected(io);
    auto& [client, served] = ends;
    auto sent = co_await client.send_all("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_TRUE(sent);
    const TimePoint begin = io.now();
    co_await serve_connection(chat, std::move(served));
    EXPECT_GE(io.now() - begin, 5s);
    EXPECT_LE(io.now() - begin, 7s);
  };
  io.run(scenario());
}

// A connection kept for requests ends when none comes, and the next one has its own time to come.
TEST(SlowClients, OneThatAsksNothingMoreIsDropped) {
  for (const bool begins : {false, true}) {
    Io io(std::make_unique<SimDriver>(SimOptions{}));
    Chat chat({.request_timeout = 1s, .keep_alive = 5s});
    chat.open({&io});
    const auto scenario = [&]() -> Task<> {
      auto ends = co_await connected(io);
      auto& [client, served] = ends;
      const std::string request = "GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n";
      auto sent = co_await client.send_all(request + request + (begins ? "GET" : ""));
      EXPECT_TRUE(sent);
      const TimePoint begin = io.now();
      co_await serve_connection(chat, std::move(served));
      EXPECT_GE(io.now() - begin, begins ? 1s : 5s);
      EXPECT_LE(io.now() - begin, begins ? 2s : 6s);
      std::string heard;
      for (;;) {
        auto chunk = co_await client.receive();
        if (!chunk || chunk->empty()) break;
        heard += chunk->text();
      }
      const std::size_t second = heard.find("\r\n\r\nready\n") + 10;
      EXPECT_TRUE(heard.substr(second).starts_with("HTTP/1.1 200 OK\r\nDate: ")) << heard;
      EXPECT_EQ(heard.find("close"), heard.npos);
    };
    io.run(scenario());
  }
}

// The goodbye has its limit from the moment of leaving, what the writer still sends included.
TEST(SlowClients, OneThatLeavesWithoutReadingIsGoneInTime) {
  for (const bool page : {false, true}) {
    Io io(std::make_unique<SimDriver>(small_windows()));
    Chat chat({.farewell = 2s, .write_inline = true});
    chat.open({&io});
    std::string said;
    if (page) {
      said = std::string(upgrade);
      for (int i = 0; i < 100; ++i) said += std::string("\x81\x80\0\0\0\0", 6);  // gets an error
      said += std::string("\x88\x80\0\0\0\0", 6);
    } else {
      for (int i = 0; i < 100; ++i) said += "/help\n";
      said += "quit\n";
    }
    const auto scenario = [&]() -> Task<> {
      auto ends = co_await connected(io);
      auto& [client, served] = ends;
      auto both = [&](TaskGroup& group) -> Task<> {
        (void)group.spawn([&] { return serve_connection(chat, std::move(served)); });
        auto sent = co_await client.send_all(said);
        EXPECT_TRUE(sent);
      };
      const TimePoint begin = io.now();
      co_await with_task_group(io, both);
      EXPECT_GE(io.now() - begin, 2s) << page;
      EXPECT_LE(io.now() - begin, 3s) << page;
      EXPECT_EQ(chat.people(), 0u);
    };
    io.run(scenario());
  }
}

// What it asks for waits for it, and it is not read from; pings wait behind that.
TEST(SlowClients, APageThatAsksMuchAndTakesNothingIsDropped) {
  Io io(std::make_unique<SimDriver>(small_windows()));
  Chat chat({.farewell = 2s, .ping_interval = 7s, .write_inline = true});
  chat.open({&io});
  std::string asked(upgrade);
  constexpr std::string_view rooms = R"({"type":"rooms"})";
  for (int i = 0; i < 20'000; ++i) {
    asked += std::string("\x81\x90\0\0\0\0", 6).append(rooms);
  }
  const auto scenario = [&]() -> Task<> {
    auto ends = co_await connected(io);
    auto& [client, served] = ends;
    auto both = [&](TaskGroup& group) -> Task<> {
      (void)group.spawn([&] { return serve_connection(chat, std::move(served)); });
      {
        const CancelScope patience(io, 60s);
        auto sent = co_await client.send_all(asked);
        EXPECT_FALSE(sent) << "it reads without end";
      }
      client.close();
    };
    const TimePoint begin = io.now();
    co_await with_task_group(io, both);
    EXPECT_GE(io.now() - begin, 13s);
    EXPECT_LE(io.now() - begin, 17s);
    EXPECT_EQ(chat.people(), 0u);
  };
  io.run(scenario());
}

// Times that mean "never".
TEST(SlowClients, HaveAllTheTimeWhereThereIsNoLimit) {
  Io io(std::make_unique<SimDriver>(SimOptions{}));
  Chat chat({.line_timeout = Nanoseconds::max(), .ping_interval = 0s, .write_inline = true});
  chat.open({&io});
  const auto scenario = [&]() -> Task<> {
    auto listener = io.listen(*os::Address::parse("10.0.0.1:80"), 8);
    auto page = co_await io.connect(*os::Address::parse("10.0.0.1:80"));
    auto page_served = co_await listener->accept();
    auto line = co_await io.connect(*os::Address::parse("10.0.0.1:80"));
    auto line_served = co_await listener->accept();
    auto both = [&](TaskGroup& group) -> Task<> {
      (void)group.spawn([&] { return serve_connection(chat, std::move(*page_served)); });
      (void)group.spawn([&] { return serve_connection(chat, std::move(*line_served)); });
      auto upgraded = co_await page->send_all(upgrade);
      auto begun = co_await line->send_all("half");
      EXPECT_TRUE(upgraded && begun);
      (void)co_await io.sleep(24h);
      auto ended = co_await line->send_all(" and half\n");
      EXPECT_TRUE(ended);
      std::string got;
      while (!got.contains("] half and half\n")) {
        auto chunk = co_await line->receive();
        EXPECT_TRUE(chunk && !chunk->empty()) << got;
        if (!chunk || chunk->empty()) break;
        got += chunk->text();
      }
      got.clear();
      while (!got.contains("half and half")) {
        auto chunk = co_await page->receive();
        EXPECT_TRUE(chunk && !chunk->empty()) << got;
        if (!chunk || chunk->empty()) break;
        got += chunk->text();
      }
      EXPECT_FALSE(got.contains("\x89\x01?")) << "pinged";
      page->close();
      line->close();
    };
    co_await with_task_group(io, both);
  };
  io.run(scenario());
}

}  // namespace
}  // namespace polyio::chat
