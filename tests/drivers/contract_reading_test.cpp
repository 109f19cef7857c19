// Contract: a BufferedReader gives the units of a protocol, however they were cut on their way.
#include <polyio/io/buffered_reader.hpp>

#include "contract.hpp"

namespace polyio::contract {
namespace {

class ReadingTest : public ContractTest {
 protected:
  static std::string text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
};
POLYIO_ON_EVERY_MODEL(ReadingTest);

// The units of "alpha\r\nbeta\n\nhead--END--12345tail" and its end.
Task<> expect_units(BufferedReader& reader) {
  for (const char* expected : {"alpha", "beta", ""}) {
    auto line = co_await reader.read_line(5);
    EXPECT_EQ(line, expected);
  }
  auto head = co_await reader.read_until("--END--", 11);
  EXPECT_EQ(head, "head--END--");
  auto number = co_await reader.read_exactly(5);
  POLYIO_REQUIRE(number && number->size() == 5);
  EXPECT_EQ(std::memcmp(number->data(), "12345", 5), 0);
  std::array<std::byte, 4> room;
  auto tail = co_await reader.read_into(room);
  EXPECT_TRUE(tail && std::memcmp(room.data(), "tail", 4) == 0);
  for (int i = 0; i < 2; ++i) {
    auto end = co_await reader.read_some();
    EXPECT_TRUE(end && end->empty());
  }
  auto none = co_await reader.read_line(5);
  EXPECT_EQ(none.error(), Errc::end_of_file);
  EXPECT_EQ(reader.buffered(), 0u);
}
constexpr std::string_view units = "alpha\r\nbeta\n\nhead--END--12345tail";

TEST_P(ReadingTest, UnitsThatCameTogether) {
  auto body = [&](TaskGroup&) -> Task<> {
    auto [stream, raw] = half();
    raw.send(units);
    raw.shutdown_send();
    BufferedReader reader(stream);
    co_await expect_units(reader);
  };
  run(body);
}

TEST_P(ReadingTest, UnitsThatWereCutAnywhere) {
  auto body = [&](TaskGroup& group) -> Task<> {
    for (std::size_t cut = 1; cut < units.size(); ++cut) {
      auto [stream, raw] = half();
      BufferedReader reader(stream);
      (void)group.spawn(expect_units, reader);
      raw.send(units.substr(0, cut));
      co_await turns(3);
      raw.send(units.substr(cut));
      raw.shutdown_send();
      co_await until([&] { return group.running() == 0; });
    }
  };
  run(body);
}

TEST_P(ReadingTest, UnitsThatComeByteByByte) {
  auto body = [&](TaskGroup& group) -> Task<> {
    auto [stream, raw] = half();
    BufferedReader reader(stream);
    (void)group.spawn(expect_units, reader);
    for (const char& byte : units) {
      raw.send({&byte, 1});
      co_await turns(1);
    }
    raw.shutdown_send();
    co_await until([&] { return group.running() == 0; });
  };
  run(body);
}

TEST_P(ReadingTest, WhatIsTooLongIsAnErrorAndStaysThere) {
  auto body = [&](TaskGroup&) -> Task<> {
    auto [stream, raw] = half();
    BufferedReader reader(stream);
    raw.send("123456\r\nrest\n");
    auto line = co_await reader.read_line(5);
    EXPECT_TRUE(failed_with(line, std::errc::message_size));
    auto until_it = co_await reader.read_until("\r\n", 7);
    EXPECT_TRUE(failed_with(until_it, std::errc::message_size));
    auto no_end = co_await reader.read_until("never", 13);
    EXPECT_TRUE(failed_with(no_end, std::errc::message_size));
    auto right = co_await reader.read_line(6);
    EXPECT_EQ(right, "123456");
    EXPECT_EQ(reader.buffered(), 5u);
    auto rest = co_await reader.read_some();
    EXPECT_EQ(rest ? text_of(*rest) : "", "rest\n");
    raw.shutdown_send();
    auto end = co_await reader.read_exactly(1);
    EXPECT_EQ(end.error(), Errc::end_of_file);
  };
  run(body);
}

TEST_P(ReadingTest, AnEndInTheMiddleLeavesWhatCame) {
  auto body = [&](TaskGroup&) -> Task<> {
    auto [stream, raw] = half();
    BufferedReader reader(stream);
    raw.send("one\ntw");
    raw.shutdown_send();
    auto one = co_await reader.read_line(10);
    EXPECT_EQ(one, "one");
    auto two = co_await reader.read_line(10);
    EXPECT_EQ(two.error(), Errc::end_of_file);
    auto three = co_await reader.read_exactly(3);
    EXPECT_EQ(three.error(), Errc::end_of_file);
    EXPECT_EQ(reader.buffered(), 2u);
    auto rest = co_await reader.read_exactly(2);
    EXPECT_EQ(rest ? text_of(*rest) : "", "tw");
  };
  run(body);
}

TEST_P(ReadingTest, ADeadlineInTheMiddleLosesNothing) {
  auto body = [&](TaskGroup&) -> Task<> {
    auto [stream, raw] = half();
    BufferedReader reader(stream);
    for (const char* piece : {"a", "b", "c"}) {
      raw.send(piece);
      CancelScope patience(io(), 2ms);
      auto line = co_await reader.read_line(10);
      EXPECT_TRUE(timed_out(line));
    }
    raw.send("d\n");
    auto line = co_await reader.read_line(10);
    EXPECT_EQ(line, "abcd");
  };
  run(body);
}

TEST_P(ReadingTest, MuchIsReadInPieces) {
  auto body = [&](TaskGroup& group) -> Task<> {
    Pair ends = pair();
    const std::string much = pattern(3 << 20);
    auto writer = [&]() -> Task<> {
      auto sent = co_await ends.far.send_all("length\n");
      EXPECT_TRUE(sent);
      auto all = co_await ends.far.send_all(much);
      EXPECT_TRUE(all);
    };
    (void)group.spawn(writer);
    BufferedReader reader(ends.near);
    auto line = co_await reader.read_line(10);
    EXPECT_EQ(line, "length");
    auto first = co_await reader.read_exactly(1 << 20);
    POLYIO_REQUIRE(first);
    EXPECT_TRUE(text_of(*first) == much.substr(0, 1 << 20));
    std::string rest(2 << 20, '\0');
    auto filled = co_await reader.read_into(std::as_writable_bytes(std::span(rest)));
    EXPECT_TRUE(filled && rest == std::string_view(much).substr(1 << 20));
  };
  run(body);
}

}  // namespace
}  // namespace polyio::contract
