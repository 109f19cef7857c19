#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <polyio/serial/serial.hpp>
#include <random>
#include <string>
#include <string_view>

namespace polyio::serial {
namespace {

enum class Colour : std::uint8_t { red, green };

struct Address {
  std::string street;
  int number = 0;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(street, number);
  }
  bool operator==(const Address&) const = default;
};

struct Tree {
  int value = 0;
  std::vector<Tree> below;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(value, below);
  }
};

// A serialised byte claims an element of a kilobyte.
struct Large {
  std::array<char, 1024> room{};
  bool used = false;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(used);
  }
};

struct NoSerialize {
  int value = 0;
};
struct NoDefault {
  explicit NoDefault(int) {}
  template <class Archive>
  void serialize(Archive&) {}
};

template <class... T>
void expect_round_trip(const T&... values) {
  const auto bytes = to_bytes(values...);
  const auto back = from_bytes<T...>(bytes);
  ASSERT_TRUE(back) << back.error().message();
  EXPECT_EQ(*back, std::make_tuple(values...));
}

std::vector<std::byte> with_size(std::uint64_t size) { return to_bytes(size); }

TEST(Serial, StandardTypesComeBackAsTheyWere) {
  expect_round_trip(1, -2L, 3.5, true, 'x', std::uint8_t{200});
  expect_round_trip(std::string("text"), std::string(), std::u16string(u"wide"));
  expect_round_trip(std::vector{1, 2, 3}, std::vector<bool>{true, false},
                    std::vector<std::string>{"a", ""});
  expect_round_trip(std::map<std::string, std::vector<int>>{{"a", {1}}, {"b", {}}},
                    std::unordered_map<int, std::string>{{1, "x"}}, std::set{3, 1});
  expect_round_trip(std::optional<int>(), std::optional(std::string("y")), std::pair(1, 'c'),
                    std::variant<std::monostate, int, std::string>("v"), Colour::green,
                    std::chrono::nanoseconds(5), std::array{1, 2}, std::deque{4}, std::list{5});
  expect_round_trip();
}

TEST(Serial, AClassWithSerializeComesBackInsideContainersToo) {
  expect_round_trip(Address{"Main", 7}, std::vector<Address>{{"A", 1}, {"B", 2}});
}

TEST(Serial, WhatCantBeSentIsKnownAtCompileTime) {
  static_assert(Serialisable<int> && Serialisable<std::vector<Address>> && Serialisable<Colour>);
  static_assert(Serialisable<std::map<int, std::optional<Tree>>>);
  static_assert(!Serialisable<int*> && !Serialisable<const char*> && !Serialisable<int&>);
  static_assert(!Serialisable<std::string_view> && !Serialisable<std::nullptr_t>);
  static_assert(!Serialisable<NoSerialize> && !Serialisable<std::vector<NoSerialize>>);
  static_assert(!Serialisable<std::map<int, std::tuple<int, const char*>>>);
  static_assert(!Serialisable<NoDefault> && !Serialisable<int (*)()>);
}

TEST(Serial, EveryTruncationIsAnError) {
  const auto bytes = to_bytes(std::string("text"), std::vector{1, 2, 3}, Address{"Main", 7}, 2.5);
  using Values = Result<std::tuple<std::string, std::vector<int>, Address, double>>;
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const Values got =
        from_bytes<std::string, std::vector<int>, Address, double>(std::span(bytes).first(size));
    ASSERT_FALSE(got) << size;
    EXPECT_EQ(got.error(), make_error_code(Errc::protocol_error));
  }
}

TEST(Serial, BytesThatAreLeftOverAreAnError) {
  auto bytes = to_bytes(1);
  bytes.push_back({});
  EXPECT_EQ(from_bytes<int>(bytes).error(), make_error_code(Errc::protocol_error));
  EXPECT_EQ(from_bytes<>(bytes).error(), make_error_code(Errc::protocol_error));
}

TEST(Serial, AHostileLengthIsAnErrorAndAllocatesNothing) {
  for (const std::uint64_t size : {std::uint64_t{1}, std::uint64_t{1} << 40, std::uint64_t{1} << 62,
                                   std::numeric_limits<std::uint64_t>::max()}) {
    const auto bytes = with_size(size);
    EXPECT_FALSE(from_bytes<std::string>(bytes));
    EXPECT_FALSE(from_bytes<std::u32string>(bytes));
    EXPECT_FALSE(from_bytes<std::vector<double>>(bytes));
    EXPECT_FALSE(from_bytes<std::vector<std::string>>(bytes));
    EXPECT_FALSE(from_bytes<std::vector<bool>>(bytes));
    EXPECT_FALSE(from_bytes<std::deque<int>>(bytes));
    EXPECT_FALSE(from_bytes<std::list<int>>(bytes));
    EXPECT_FALSE((from_bytes<std::map<int, int>>(bytes)));
    EXPECT_FALSE((from_bytes<std::unordered_map<int, int>>(bytes)));
  }
}

// 4 MiB of bytes claim four million elements of a kilobyte and are wrong from the first on.
TEST(Serial, ElementsAreMadeOnlyAsTheirBytesAreRead) {
  auto bytes = with_size(4 << 20);
  bytes.resize(bytes.size() + (4 << 20), std::byte{2});
  EXPECT_FALSE(from_bytes<std::vector<Large>>(bytes));
}

TEST(Serial, ABoolOrAVariantThatCantBeIsAnError) {
  const std::vector<std::byte> two{std::byte{2}};
  EXPECT_FALSE(from_bytes<bool>(two));
  EXPECT_FALSE(from_bytes<std::optional<int>>(two));
  EXPECT_FALSE((from_bytes<std::variant<int, char>>(to_bytes(7, 0))));
  EXPECT_FALSE((from_bytes<std::variant<int, char>>(to_bytes(-1, 0))));
}

TEST(Serial, NestingTooDeepIsAnErrorAndNotTheEndOfTheStack) {
  std::vector<std::byte> bytes;
  for (int i = 0; i < 100'000; ++i) {
    const auto level = to_bytes(i, std::uint64_t{1});
    bytes.insert(bytes.end(), level.begin(), level.end());
  }
  EXPECT_EQ(from_bytes<Tree>(bytes).error(), make_error_code(Errc::protocol_error));
  EXPECT_TRUE(from_bytes<Tree>(to_bytes(Tree{1, {Tree{2, {}}, Tree{3, {Tree{4, {}}}}}})));
}

TEST(Serial, NoiseIsAnErrorOrAValueAndNothingElse) {
  std::mt19937 random(1);
  for (int round = 0; round < 3000; ++round) {
    std::vector<std::byte> noise(random() % 64);
    for (auto& byte : noise) byte = static_cast<std::byte>(random() % 4);
    const auto got = from_bytes<Tree, std::map<int, std::string>, std::optional<Address>>(noise);
    if (!got) {
      EXPECT_EQ(got.error(), make_error_code(Errc::protocol_error));
    }
  }
}

TEST(Serial, DescriptorsGoBesideTheBytesAndOnlyWhereTheyCan) {
  std::vector<std::byte> bytes;
  std::vector<int> descriptors;
  Writer writer(bytes, &descriptors);
  writer.add_descriptor(7);
  EXPECT_EQ(descriptors, std::vector{7});
  Reader reader(bytes, descriptors);
  EXPECT_EQ(reader.take_descriptor(), 7);
  EXPECT_EQ(descriptors, std::vector{-1});
  EXPECT_THROW(reader.take_descriptor(), cereal::Exception);
  Reader twice(bytes, descriptors);  // its descriptor has been taken
  EXPECT_THROW(twice.take_descriptor(), cereal::Exception);
  Writer plain(bytes);
  EXPECT_THROW(plain.add_descriptor(7), cereal::Exception);
}

}  // namespace
}  // namespace polyio::serial
