#include <polyio/base/text.hpp>
#include <polyio/proto/line.hpp>

#include "cuts.hpp"

namespace polyio::proto::test {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

struct Case {
  std::string_view input;
  Log log;
};

TEST(LineReader, CutsLinesAlikeHoweverTheBytesAreCut) {
  using namespace std::string_view_literals;
  const Case cases[] = {
      {"", {}},
      {"\n", {"line 0:"}},
      {"\r\n", {"line 0:"}},
      {"\r\r\n", {"line 1:\r"}},
      {"a", {"last line 1:a"}},
      {"a\r", {"last line 1:a"}},
      {"\r", {"last line 0:"}},
      {"a\nb", {"line 1:a", "last line 1:b"}},
      {"one\r\ntwo\n\nthree\n", {"line 3:one", "line 3:two", "line 0:", "line 5:three"}},
      {"a\rb\n", {"line 3:a\rb"}},
      {"12345678\n", {"line 8:12345678"}},
      {"12345678\r\n", {"line 8:12345678"}},
      {"123456789\n", {"too long"}},
      {"12345678\r", {"last line 8:12345678"}},
      {"12345678\r\r\n", {"too long"}},
      {"12345678\rx\nnext\n", {"too long", "line 4:next"}},
      {"1234567890123456789012345\nok\n1234567890\r\n\n",
       {"too long", "line 2:ok", "too long", "line 0:"}},
      {"1234567890", {"too long"}},
      {"a\0b\n"sv, {std::string("line 3:a\0b"sv)}},
      {"\xff\xfe\n", {"line 2:\xff\xfe"}},
  };
  for (const Case& c : cases) {
    const auto run = [](const Chunks& chunks) { return line_log(chunks, 8); };
    EXPECT_EQ(run({c.input}), c.log) << escape_for_log(c.input);
    expect_same_however_cut(c.input, run);
  }
}

TEST(LineReader, TheDefaultLimitIsExact) {
  const std::string fits(8192, 'x');
  for (const std::string end : {"\n", "\r\n"}) {
    EXPECT_EQ(line_log({fits + end}), Log{"line 8192:" + fits});
    EXPECT_EQ(line_log({fits + "x" + end}), Log{"too long"});
    expect_same_however_cut(fits + end + "next\n", [](const Chunks& c) { return line_log(c); });
    expect_same_however_cut(fits + "x" + end + "next\n",
                            [](const Chunks& c) { return line_log(c); });
  }
}

TEST(LineReader, ReportsATooLongLineOnceAndBeforeItEnds) {
  LineReader reader(4);
  int reports = 0;
  for (int i = 0; i < 100; ++i) {
    reader.feed(bytes_of("xx"));
    while (const auto line = reader.next()) reports += line->has_value() ? 100 : 1;
    EXPECT_LE(reader.held(), 5u);
  }
  EXPECT_EQ(reports, 1);
  reader.feed(bytes_of("\nok\n"));
  const auto line = reader.next();
  ASSERT_TRUE(line && *line);
  EXPECT_EQ(**line, "ok");
}

TEST(LineReader, LendsWholeLinesAndHoldsNothingBetweenThem) {
  const std::string chunk = "a line far too long for the small string optimisation\nrest";
  LineReader reader;
  reader.feed(bytes_of(chunk));
  const auto line = reader.next();
  ASSERT_TRUE(line && *line);
  EXPECT_EQ((*line)->data(), chunk.data());
  EXPECT_EQ(reader.held(), 0u);
  EXPECT_FALSE(reader.next());
  EXPECT_EQ(reader.held(), 4u);
  reader.feed(bytes_of("\n"));
  const auto joined = reader.next();
  ASSERT_TRUE(joined && *joined);
  EXPECT_EQ(**joined, "rest");
  EXPECT_FALSE(reader.next());
  EXPECT_EQ(reader.held(), 0u);
}

TEST(LineReaderDeathTest, FeedingBeforeTheLastBytesAreReadIsAMistake) {
  LineReader reader;
  reader.feed(bytes_of("a\nb\n"));
  ASSERT_TRUE(reader.next());
  EXPECT_DEATH(reader.feed(bytes_of("c\n")), "input_.empty");
}

}  // namespace
}  // namespace polyio::proto::test
