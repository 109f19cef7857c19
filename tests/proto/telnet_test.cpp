#include <gtest/gtest.h>
#include <polyio/proto/telnet.hpp>

#include <string_view>

namespace polyio::proto::test {
namespace {

using namespace std::string_view_literals;

// What is left of the pieces.
std::string text_of(std::initializer_list<std::string_view> pieces) {
  TelnetFilter telnet;
  std::string text;
  for (const std::string_view piece : pieces) {
    const auto bytes = std::as_bytes(std::span(piece));
    text += telnet.applies(bytes) ? telnet.filter(bytes) : std::string(piece);
  }
  return text;
}

// What PuTTY opens with: WILL and DO of several options, and the size of its window.
constexpr std::string_view opening =
    "\xff\xfb\x1f\xff\xfb\x20\xff\xfd\x01\xff\xfa\x1f\0\x50\0\x18\xff\xf0"sv;

TEST(Telnet, CommandsAreTakenOutHoweverTheyAreCut) {
  const std::string said = std::string(opening) + "hello\r\n\xff\xf6" + "again\r\n";
  EXPECT_EQ(text_of({said}), "hello\r\nagain\r\n");
  for (std::size_t cut = 0; cut <= said.size(); ++cut) {
    const std::string_view all = said;
    EXPECT_EQ(text_of({all.substr(0, cut), all.substr(cut)}), "hello\r\nagain\r\n") << cut;
  }
}

TEST(Telnet, AReturnWithANulEndsALine) {
  EXPECT_EQ(text_of({opening, "a\r\0b\r\nc\0"sv}), "a\r\nb\r\nc\0"sv);
}

TEST(Telnet, ADoubledIacIsOne) { EXPECT_EQ(text_of({opening, "\xff\xff"}), "\xff"); }

TEST(Telnet, IsSpokenOnlyByThoseWhoBeginWithIt) {
  EXPECT_EQ(text_of({"a\xff\xfb\x1f", "\xff\xfb\x1f"}), "a\xff\xfb\x1f\xff\xfb\x1f");
  EXPECT_EQ(text_of({"", "\r\0"sv}), "\r\0"sv);
}

TEST(Telnet, ASubnegotiationHasABound) {
  TelnetFilter telnet;
  const std::string start = "\xff\xfa\x1f" + std::string(TelnetFilter::max_subnegotiation - 1, 'x');
  const auto feed = [&](std::string_view piece) {
    const auto bytes = std::as_bytes(std::span(piece));
    EXPECT_TRUE(telnet.applies(bytes));
    EXPECT_EQ(telnet.filter(bytes), "");
  };
  feed(start);
  EXPECT_FALSE(telnet.broken());
  feed("x");
  EXPECT_TRUE(telnet.broken());
  feed(std::string(100'000, 'x'));
  EXPECT_TRUE(telnet.broken());
}

}  // namespace
}  // namespace polyio::proto::test
