// The cases of CPython's Lib/test/test_selectors.py that the other files don't have under names of
// their own, and what Python leaves open (selector.hpp says what is decided).
#include <set>

#include "kinds.hpp"

namespace polyio {
namespace {

class PythonTest : public SelectorTest {};
INSTANTIATE_TEST_SUITE_P(Every, PythonTest, testing::ValuesIn(kinds()), kind_name);

TEST_P(PythonTest, UnregisterAfterClose) {
  Pair pair;
  const int near = pair.fd(), far = pair.far.get();
  ASSERT_TRUE(selector->register_fd(near, event_read));
  ASSERT_TRUE(selector->register_fd(far, event_write));
  pair.near.reset();
  pair.far.reset();
  EXPECT_TRUE(selector->unregister(near));
  EXPECT_TRUE(selector->unregister(far));
  EXPECT_EQ(selector->select(no_wait).value().size(), 0u);
}

TEST_P(PythonTest, UnregisterAfterCloseAndReuse) {
  Pair old, fresh;
  const int near = old.fd(), far = old.far.get();
  ASSERT_TRUE(selector->register_fd(near, event_read));
  ASSERT_TRUE(selector->register_fd(far, event_write));
  ASSERT_EQ(::dup3(fresh.fd(), near, O_CLOEXEC), near);
  ASSERT_EQ(::dup3(fresh.far.get(), far, O_CLOEXEC), far);
  EXPECT_TRUE(selector->unregister(near));
  EXPECT_TRUE(selector->unregister(far));
  EXPECT_EQ(selector->select(no_wait).value().size(), 0u);
  // The files that have the numbers now are unharmed.
  ASSERT_TRUE(selector->register_fd(near, event_read, 5));
  EXPECT_EQ(::write(far, "x", 1), 1);
  EXPECT_EQ(told(near), event_read);
}

TEST_P(PythonTest, SelectTellsTheKeyAndNoMoreThanAsked) {
  POLYIO_SKIP_HINTS();
  Pair pair;
  ASSERT_TRUE(selector->register_fd(pair.fd(), event_read, 1));
  auto key = selector->register_fd(pair.far.get(), event_write, 2);
  ASSERT_TRUE(key);
  auto events = selector->select().value();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].key, *key);
  EXPECT_EQ(events[0].mask, event_write);
}

TEST_P(PythonTest, ModifyOfTheDataAlone) {
  Pair pair;
  ASSERT_TRUE(selector->register_fd(pair.fd(), event_read, 1));
  auto key = selector->modify(pair.fd(), event_read, 2);
  ASSERT_TRUE(key);
  EXPECT_EQ(*key, (SelectorKey{pair.fd(), event_read, 2}));
  EXPECT_EQ(selector->get_key(pair.fd()).value(), *key);
  pair.send();
  auto events = selector->select().value();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].key, *key);
}

TEST_P(PythonTest, ModifyToNothingIsRefused) {
  Pair pair;
  ASSERT_TRUE(selector->register_fd(pair.fd(), event_read, 1));
  EXPECT_TRUE(fails_with(selector->modify(pair.fd(), 0, 2), EINVAL));
  pair.send();
  auto events = selector->select().value();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].key, (SelectorKey{pair.fd(), event_read, 1}));
}

// Python's `with`: the end of the selector's life closes it, and nothing else.
TEST_P(PythonTest, TheDestructorLeavesTheDescriptors) {
  Pair pair;
  ASSERT_TRUE(selector->register_fd(pair.fd(), event_read));
  ASSERT_TRUE(selector->register_fd(pair.far.get(), both));
  selector.reset();
  pair.send();
  pair.receive();
}

// Whoever closes the selector while he goes over its events may go on.
TEST_P(PythonTest, EventsAndKeysOutliveTheSelector) {
  Pair pair;
  pair.send();
  ASSERT_TRUE(selector->register_fd(pair.fd(), event_read, 9));
  auto events = selector->select().value();
  auto map = selector->get_map().value();
  selector->close();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].key, (SelectorKey{pair.fd(), event_read, 9}));
  EXPECT_EQ(map, std::vector{events[0].key});
}

// Twelve writers, one after the other, each to its reader.
TEST_P(PythonTest, ManyPairsOneAfterTheOther) {
  constexpr std::string_view message = " This is a test.";
  std::vector<Pair> pairs(12);
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    ASSERT_TRUE(selector->register_fd(pairs[i].fd(), event_read, i));
    ASSERT_TRUE(selector->register_fd(pairs[i].far.get(), event_write, i));
  }
  std::set<std::size_t> can_write, done;
  while (done.size() < pairs.size()) {
    const Timeout timeout = can_write.empty() ? Timeout() : no_wait;  // edges come once
    const auto events = selector->select(timeout).value();
    for (const SelectorEvent& event : events) {
      if ((event.mask & event_write) != 0) can_write.insert(event.key.data);
    }
    ASSERT_FALSE(can_write.empty());
    const std::size_t chosen = *can_write.rbegin();
    const Pair& pair = pairs[chosen];
    ASSERT_EQ(::write(pair.far.get(), message.data(), message.size()), ssize_t{message.size()});
    EXPECT_EQ(told(pair.fd()), event_read);
    std::array<char, 64> got;
    ASSERT_EQ(::read(pair.fd(), got.data(), got.size()), ssize_t{message.size()});
    EXPECT_EQ(std::string_view(got.data(), message.size()), message);
    EXPECT_TRUE(selector->unregister(pair.fd()));
    EXPECT_TRUE(selector->unregister(pair.far.get()));
    can_write.erase(chosen);
    done.insert(chosen);
  }
  EXPECT_EQ(selector->size(), 0u);
}

// Half of all descriptors this process may have, reading, and the other half writing.
TEST_P(PythonTest, AsManyAsTheLimitAllows) {
  if (GetParam().below_1024) GTEST_SKIP() << "select(2) ends at 1024";
  ASSERT_TRUE(allow_descriptors(1024));
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const std::size_t count = (std::min<std::size_t>(limit.rlim_cur, 20'000) - 100) / 2;
  std::vector<Pair> pairs(count);
  for (const Pair& pair : pairs) {
    ASSERT_TRUE(selector->register_fd(pair.fd(), event_read));
    ASSERT_TRUE(selector->register_fd(pair.far.get(), event_write));
  }
  auto events = selector->select().value();
  EXPECT_EQ(events.size(), hints() ? 2 * count : count);
}

// setrlimit(2) closes nothing: what is open is waited for. poll(2) alone counts its array.
TEST_P(PythonTest, AboveALimitLoweredSince) {
  std::vector<Pair> pairs(20);
  for (Pair& pair : pairs) {
    ASSERT_TRUE(selector->register_fd(pair.fd(), event_read));
    pair.send();
  }
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  const rlimit few{10, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  auto events = selector->select(no_wait);
  ::setrlimit(RLIMIT_NOFILE, &before);
  if (GetParam().polls) {
    EXPECT_TRUE(fails_with(events, EINVAL));
    events = selector->select(no_wait);  // and nothing is lost
  }
  ASSERT_TRUE(events) << events.error().message();
  EXPECT_EQ(events->size(), pairs.size());
}

}  // namespace
}  // namespace polyio
