#include <gtest/gtest.h>
#include <chat/model/outbox.hpp>
#include <polyio/drivers/registry.hpp>
#include <polyio/io/task_group.hpp>

#include <map>
#include <thread>

namespace polyio::chat {
namespace {

Piece piece(std::string text) { return std::make_shared<const std::string>(std::move(text)); }

std::vector<std::string> texts(const Outbox::Batch& batch) {
  std::vector<std::string> all;
  for (const Piece& part : batch.pieces) all.push_back(*part);
  return all;
}

using Texts = std::vector<std::string>;

// For a client that has not read for longer than its room waits.
void push_late(Outbox& outbox, Piece message, std::uint16_t count = 1) {
  EXPECT_TRUE(outbox.push_message(std::move(message), count, Outbox::patience));
}
// As many small messages as there is room for.
void fill(Outbox& outbox) {
  for (std::size_t i = 0; i < Outbox::max_messages; ++i) {
    EXPECT_TRUE(outbox.push_message(piece("m")));
  }
}

TEST(Outbox, GivesPiecesInOrderWhateverTheirKind) {
  Outbox outbox;
  outbox.push_message(piece("a"));
  outbox.push_reply("b");
  outbox.push_message(piece("c"));
  const auto batch = outbox.take();
  EXPECT_EQ(texts(batch), (Texts{"a", "b", "c"}));
  EXPECT_EQ(batch.skipped(), 0u);
  EXPECT_FALSE(batch.closed());
  EXPECT_TRUE(outbox.take().empty());
}

TEST(Outbox, SharesMessagesAndLetsThemGo) {
  const Piece message = piece("shared");
  Outbox first, second;
  first.push_message(message);
  second.push_message(message);
  EXPECT_EQ(message.use_count(), 3);
  EXPECT_EQ(first.take().pieces.at(0), message);
  EXPECT_EQ(message.use_count(), 2);
  (void)second.take();
  EXPECT_EQ(message.use_count(), 1);
}

TEST(Outbox, SkipsAndCountsBeyondTheNumberOfMessages) {
  Outbox outbox;
  fill(outbox);
  for (std::size_t i = 0; i < 37; ++i) push_late(outbox, piece("m"));
  const auto batch = outbox.take();
  EXPECT_EQ(batch.pieces.size(), Outbox::max_messages);
  EXPECT_EQ(batch.skipped(), 37u);
  EXPECT_EQ(outbox.take().skipped(), 0u) << "a gap is reported once";
}

TEST(Outbox, CountsTheMessagesOfAPiece) {
  Outbox outbox;
  for (std::size_t i = 0; i < Outbox::max_messages / 32; ++i) outbox.push_message(piece("32"), 32);
  push_late(outbox, piece("one"));
  push_late(outbox, piece("32"), 32);
  const auto batch = outbox.take();
  EXPECT_EQ(batch.pieces.size(), Outbox::max_messages / 32);
  EXPECT_EQ(batch.skipped(), 33u);
}

TEST(Outbox, SkipsAndCountsBeyondTheBytes) {
  Outbox outbox;
  const Piece large = piece(std::string(Outbox::max_message_bytes / 4, 'x'));
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(outbox.push_message(large));
  for (int i = 0; i < 2; ++i) push_late(outbox, large);
  auto batch = outbox.take();
  EXPECT_EQ(batch.pieces.size(), 4u);
  EXPECT_EQ(batch.skipped(), 2u);
  for (int i = 0; i < 3; ++i) outbox.push_message(large);
  batch = outbox.take();
  EXPECT_EQ(batch.pieces.size(), 3u) << "what was taken counts no more";
  EXPECT_EQ(batch.skipped(), 0u);
}

// Else what is small enough to fit would overtake what was skipped.
TEST(Outbox, SkipsAllAfterTheFirstUntilTheGapIsReported) {
  Outbox outbox;
  const Piece large = piece(std::string(Outbox::max_message_bytes - 10, 'x'));
  outbox.push_message(large);
  push_late(outbox, large);
  push_late(outbox, piece("small"));
  const auto batch = outbox.take();
  EXPECT_EQ(batch.pieces.size(), 1u);
  EXPECT_EQ(batch.skipped(), 2u);
  outbox.push_message(piece("next"));
  EXPECT_EQ(texts(outbox.take()), Texts{"next"});
}

// Nothing would wake the writer, and the client would never get anything again.
TEST(Outbox, TakesAMessageLargerThanTheBoundWhenItIsAlone) {
  Outbox outbox;
  outbox.push_message(piece(std::string(Outbox::max_message_bytes + 1, 'x')));
  push_late(outbox, piece("skipped"));
  const auto batch = outbox.take();
  EXPECT_EQ(batch.pieces.size(), 1u);
  EXPECT_EQ(batch.skipped(), 1u);
}

TEST(Outbox, HoldsUpItsRoomWhileItsClientMayStillRead) {
  Outbox outbox;
  fill(outbox);
  const Nanoseconds soon = Outbox::patience - Nanoseconds(1);
  EXPECT_FALSE(outbox.push_message(piece("x"), 1, soon));
  EXPECT_FALSE(outbox.push_message(piece("x"), 1, soon));
  const auto batch = outbox.take();
  EXPECT_EQ(batch.pieces.size(), Outbox::max_messages);
  EXPECT_EQ(batch.skipped(), 0u);
  EXPECT_TRUE(batch.awaited()) << "the room wants to know";
  EXPECT_TRUE(outbox.push_message(piece("x"), 1, soon));
  EXPECT_FALSE(outbox.take().awaited());
}

// Or it would hold up everybody again and again.
TEST(Outbox, DoesNotHoldUpItsRoomAgainSoonAfterAGap) {
  Outbox outbox;
  const Nanoseconds begin = Outbox::patience;
  fill(outbox);
  push_late(outbox, piece("skipped"));
  EXPECT_EQ(outbox.take().skipped(), 1u);
  const auto fill_at = [&](Nanoseconds now) {
    for (std::size_t i = 0; i < Outbox::max_messages; ++i) {
      EXPECT_TRUE(outbox.push_message(piece("m"), 1, now));
    }
  };
  Nanoseconds now = begin + Outbox::distrust - Nanoseconds(1);
  fill_at(now);
  EXPECT_TRUE(outbox.push_message(piece("skipped"), 1, now));
  EXPECT_EQ(outbox.take().skipped(), 1u);
  now += Outbox::distrust;
  fill_at(now);
  EXPECT_FALSE(outbox.push_message(piece("x"), 1, now)) << "it has read for a while";
}

TEST(Outbox, MakesItsReaderWaitUntilWhatItSaidIsGivenOut) {
  Outbox outbox;
  outbox.charge(Outbox::window - 1);
  EXPECT_FALSE(outbox.reader_must_wait());
  outbox.charge(1);
  EXPECT_TRUE(outbox.reader_must_wait());
  outbox.repay(1);
  EXPECT_FALSE(outbox.reader_must_wait());
}

TEST(Outbox, NotesThatPresenceWasLostAndCountsNoneOfIt) {
  Outbox outbox;
  fill(outbox);
  outbox.push_presence(piece("join"));
  push_late(outbox, piece("skipped"));
  outbox.push_presence(piece("leave"));
  const auto batch = outbox.take();
  EXPECT_EQ(*batch.pieces.back(), "join");
  EXPECT_EQ(batch.skipped(), 1u);
  EXPECT_TRUE(batch.presence_lost());
  EXPECT_FALSE(outbox.take().presence_lost());
  outbox.push_presence(piece(std::string(Outbox::max_message_bytes + 1, 'x')));
  EXPECT_TRUE(outbox.take().presence_lost()) << "it has a bound, too";
}

TEST(Outbox, NeverSkipsReplies) {
  Outbox outbox;
  fill(outbox);
  push_late(outbox, piece("m"));
  for (int i = 0; i < 1'000; ++i) outbox.push_reply("r" + std::to_string(i));
  const auto batch = outbox.take();
  ASSERT_EQ(batch.pieces.size(), Outbox::max_messages + 1'000);
  EXPECT_EQ(*batch.pieces.back(), "r999");
  EXPECT_EQ(batch.skipped(), 1u);
}

// The gap is reported in its place: nothing may follow a close frame.
TEST(Outbox, SaysWhereTheGapIs) {
  Outbox outbox;
  outbox.push_reply("first");
  fill(outbox);
  push_late(outbox, piece("skipped"));
  outbox.push_reply("close");
  push_late(outbox, piece("skipped"));
  outbox.push_pong("pong");
  auto batch = outbox.take();
  EXPECT_EQ(batch.skipped(), 2u);
  ASSERT_EQ(batch.gap_at, Outbox::max_messages + 2) << "the pong comes first";
  EXPECT_EQ(*batch.pieces.at(batch.gap_at), "close");
  EXPECT_EQ(*batch.pieces.back(), "close");
  fill(outbox);
  push_late(outbox, piece("m"));
  batch = outbox.take();
  EXPECT_EQ(batch.gap_at, Outbox::max_messages);
}

TEST(Outbox, KnowsWhenRepliesAreMany) {
  Outbox outbox;
  outbox.push_reply(std::string(Outbox::max_reply_bytes, 'r'));
  EXPECT_FALSE(outbox.reader_must_wait());
  outbox.push_reply("r");
  EXPECT_TRUE(outbox.reader_must_wait());
  (void)outbox.take();
  EXPECT_FALSE(outbox.reader_must_wait());
  for (int i = 0; i < 300; ++i) outbox.push_message(piece(std::string(10'000, 'm')));
  EXPECT_FALSE(outbox.reader_must_wait()) << "others' messages are not the client's fault";
}

TEST(Outbox, KeepsOnePong) {
  Outbox outbox;
  fill(outbox);
  push_late(outbox, piece("m"));
  for (const char* pong : {"p1", "p2", "p3"}) outbox.push_pong(pong);
  auto batch = outbox.take();
  ASSERT_EQ(batch.pieces.size(), Outbox::max_messages + 1);
  EXPECT_EQ(*batch.pieces.front(), "p3");
  EXPECT_EQ(batch.skipped(), 1u);
  EXPECT_TRUE(outbox.take().empty());
  outbox.push_pong("p4");
  EXPECT_EQ(texts(outbox.take()), Texts{"p4"});
}

TEST(Outbox, StillGivesWhatWasThereWhenClosed) {
  Outbox outbox;
  outbox.push_message(piece("before"));
  outbox.close();
  outbox.push_message(piece("after"));
  outbox.push_reply("after");
  outbox.push_pong("after");
  outbox.close();
  auto batch = outbox.take();
  EXPECT_EQ(texts(batch), Texts{"before"});
  EXPECT_TRUE(batch.closed());
  batch = outbox.take();
  EXPECT_TRUE(batch.empty() && batch.closed());
}

TEST(Outbox, GivesNothingAfterItsLastPiece) {
  Outbox outbox;
  outbox.push_message(piece("a"));
  outbox.close("last");
  outbox.push_message(piece("b"));
  outbox.push_reply("c");
  outbox.push_pong("d");
  outbox.close("e");
  const auto batch = outbox.take();
  EXPECT_EQ(texts(batch), (Texts{"a", "last"}));
  EXPECT_TRUE(batch.closed());
  EXPECT_TRUE(outbox.take().empty());
}

TEST(Outbox, ReportsTheGapWhenClosed) {
  Outbox outbox;
  fill(outbox);
  for (int i = 0; i < 2; ++i) push_late(outbox, piece("m"));
  outbox.close();
  push_late(outbox, piece("m"));
  const auto batch = outbox.take();
  EXPECT_EQ(batch.skipped(), 2u);
  EXPECT_TRUE(batch.closed());
}

// Its room is given away with the batch, not kept for the next one.
TEST(Outbox, KeepsNoRoomOfABatch) {
  Outbox outbox;
  for (int i = 0; i < 100; ++i) outbox.push_message(piece("m"));
  EXPECT_GE(outbox.take().pieces.capacity(), 100u);
  EXPECT_EQ(outbox.take().pieces.capacity(), 0u);
  outbox.push_message(piece("m"));
  EXPECT_LT(outbox.take().pieces.capacity(), 100u);
}

// --- with a writer and a reader ---

class OutboxOfTasks : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (!make_driver(GetParam())) GTEST_SKIP() << GetParam() << " can't be used here";
  }
  static std::unique_ptr<Io> make_io() { return std::make_unique<Io>(*make_driver(GetParam())); }
};

// What the writer of a session does, but for the sending.
Task<> take_all(Io& io, Outbox& outbox, std::vector<std::string>& got, std::uint64_t& skipped) {
  outbox.set_writer(&io.current());
  for (;;) {
    const Outbox::Batch batch = outbox.take();
    for (const Piece& part : batch.pieces) got.push_back(*part);
    skipped += batch.skipped();
    if (batch.empty() && batch.closed()) break;
    if (batch.empty()) (void)co_await io.park();
  }
  outbox.set_writer(nullptr);
}

TEST_P(OutboxOfTasks, ManyThreadsPushWhileItsWriterTakes) {
  constexpr int threads = 4, each = 5'000;
  Outbox outbox;
  std::vector<std::string> got;
  std::uint64_t skipped = 0;
  std::jthread closer([&] {
    std::vector<std::jthread> pushers;
    for (int t = 0; t < threads; ++t) {
      pushers.emplace_back([&outbox, t] {
        for (int i = 0; i < each; ++i) {
          const Piece message = piece(std::to_string(t) + " " + std::to_string(i));
          const auto now = Nanoseconds(i % 3 == 0 ? 2'000'000'000 * std::int64_t{i} : 0);
          while (!outbox.push_message(message, 1, now)) std::this_thread::yield();
          if (i % 100 == 0) outbox.push_reply("reply");
          if (i % 100 == 1) outbox.push_pong("pong");
        }
      });
    }
    pushers.clear();
    outbox.close();
  });
  auto io = make_io();
  io->run(take_all(*io, outbox, got, skipped));
  closer.join();
  std::map<std::string, int> next;
  std::uint64_t replies = 0, messages = 0;
  for (const std::string& text : got) {
    replies += text == "reply";
    const auto space = text.find(' ');
    if (space == std::string::npos) continue;
    ++messages;
    int& least = next[text.substr(0, space)];
    const int number = std::stoi(text.substr(space + 1));
    EXPECT_GE(number, least) << "out of order";
    least = number + 1;
  }
  EXPECT_EQ(messages + skipped, std::uint64_t{threads} * each);
  EXPECT_EQ(replies, std::uint64_t{threads} * (each / 100));
}

TEST_P(OutboxOfTasks, TheReaderIsWokenWhenItsRepliesWereTaken) {
  Outbox outbox;
  int waits = 0;
  auto io = make_io();
  const auto reader = [&]() -> Task<> {
    outbox.set_reader(&io->current());
    for (int i = 0; i < 100; ++i) {
      outbox.push_reply(std::string(Outbox::max_reply_bytes + 1, 'r'));
      while (outbox.reader_must_wait()) {
        ++waits;
        (void)co_await io->park();
      }
    }
    outbox.set_reader(nullptr);
    outbox.close();
  };
  std::vector<std::string> got;
  std::uint64_t skipped = 0;
  auto both = [&](TaskGroup& group) -> Task<> {
    (void)group.spawn(take_all, *io, outbox, got, skipped);
    co_await reader();
  };
  io->run(with_task_group(*io, both));
  EXPECT_EQ(got.size(), 100u);
  EXPECT_GT(waits, 0);
}

// The room is on another thread, so the piece may be taken before the room says that there is more.
TEST_P(OutboxOfTasks, MoreHistoryIsAskedForThoughItsPieceIsTakenAlready) {
  Outbox outbox;
  auto io = make_io();
  const auto writer = [&]() -> Task<> {
    outbox.push_reply("a piece");
    outbox.set_writer(&io->current());
    EXPECT_FALSE(outbox.take().catching_up());
    std::jthread([&] { outbox.set_catching_up(true); }).join();
    (void)co_await io->park();
    EXPECT_TRUE(outbox.take().catching_up());
    EXPECT_FALSE(outbox.take().catching_up()) << "asked for twice";
    outbox.set_writer(nullptr);
  };
  io->run(writer());
}

INSTANTIATE_TEST_SUITE_P(, OutboxOfTasks, testing::Values("epoll", "io_uring", "blocking"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace polyio::chat
