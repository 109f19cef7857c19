#include <polyio/base/random.hpp>
#include <polyio/queue/queue.hpp>
#include <string>

#include "ipc/forms.hpp"

namespace polyio::ipc {
namespace {

using namespace std::chrono_literals;

Deadline in(Nanoseconds span) { return deadline_after(monotonic_now(), span); }

// `size` bytes that show which message they belong to.
std::vector<std::byte> pattern(std::size_t size, std::uint64_t seed) {
  Random random(seed);
  std::vector<std::byte> bytes(size);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random.next());
  return bytes;
}

template <class Form>
class QueueTest : public NothingLeft {
 protected:
  using ByteQueue = BasicByteQueue<typename Form::Kernel>;
  template <class T>
  using Queue = BasicQueue<T, typename Form::Kernel>;
  using Workers = typename Form::Workers;
};
TYPED_TEST_SUITE(QueueTest, test::Forms, test::FormName);

TYPED_TEST(QueueTest, MessagesOfEverySizeWrapAtEveryOffset) {
  typename TestFixture::ByteQueue queue({.bytes = 128, .largest = 100});
  std::vector<std::byte> got;
  for (std::size_t size = 0; size <= 100; ++size) {
    for (std::uint64_t round = 0; round < 20; ++round) {
      ASSERT_TRUE(queue.try_put(pattern(size, round)));
      // So that the next begins one unit further on.
      if (size + 16 <= 100) ASSERT_TRUE(queue.try_put(pattern(3, 1)));
      ASSERT_TRUE(queue.try_get(got));
      ASSERT_EQ(got, pattern(size, round)) << size;
      if (size + 16 <= 100) ASSERT_TRUE(queue.try_get(got));
    }
  }
  EXPECT_EQ(queue.size(), 0u);
}

TYPED_TEST(QueueTest, OtherWorkersGetEveryMessageInOrder) {
  typename TestFixture::ByteQueue queue({.bytes = 1024});
  typename TestFixture::Workers workers;
  constexpr std::uint64_t count = 20000;
  workers.start([queue]() mutable {
    auto out = queue.producer();
    Random random(1);
    for (std::uint64_t i = 0; i < count; ++i) {
      if (!out.put(pattern(random.below(257), i), soon_enough())) return false;
    }
    return true;
  });
  Random random(1);
  std::vector<std::byte> got;
  for (std::uint64_t i = 0; i < count; ++i) {
    ASSERT_TRUE(queue.get(got, soon_enough()));
    ASSERT_EQ(got, pattern(random.below(257), i));
  }
  EXPECT_EQ(queue.get(got, soon_enough()).error(), Errc::end_of_file);
  workers.join();
}

TYPED_TEST(QueueTest, ItIsBoundedByBytesAndByMessages) {
  typename TestFixture::ByteQueue bytes({.bytes = 64, .largest = 8});
  int fit = 0;
  while (bytes.try_put(pattern(8, 0))) ++fit;
  EXPECT_EQ(fit, 4);
  EXPECT_EQ(bytes.try_put({}), Result<>(fail(EAGAIN)));
  EXPECT_EQ(bytes.put(pattern(8, 0), in(2ms)).error(), std::errc::timed_out);
  ASSERT_TRUE(bytes.try_get());
  EXPECT_TRUE(bytes.try_put({}));

  typename TestFixture::ByteQueue messages({.messages = 2});
  EXPECT_TRUE(messages.try_put({}));
  EXPECT_TRUE(messages.try_put({}));
  EXPECT_EQ(messages.try_put({}).error(), errno_code(EAGAIN));
  EXPECT_EQ(messages.size(), 2u);
  ASSERT_TRUE(messages.try_get());
  EXPECT_TRUE(messages.try_put({}));
}

TYPED_TEST(QueueTest, AMessagePastTheLimitIsRefused) {
  typename TestFixture::ByteQueue queue({.bytes = 1024, .largest = 100});
  EXPECT_EQ(queue.put(pattern(101, 0)).error(), errno_code(EMSGSIZE));
  EXPECT_TRUE(queue.put(pattern(100, 0)));
  EXPECT_EQ(queue.size(), 1u);
  // The limit may be as large as the ring, which grows to it.
  typename TestFixture::ByteQueue large({.bytes = 64, .largest = 100000});
  EXPECT_TRUE(large.put(pattern(100000, 1)));
  EXPECT_EQ(large.get().value(), pattern(100000, 1));
  EXPECT_THROW(typename TestFixture::ByteQueue({.bytes = SIZE_MAX}), std::system_error);
}

TYPED_TEST(QueueTest, AnEmptyQueueTimesOutAndAFullOneLetsTheWaiterGoOn) {
  typename TestFixture::ByteQueue queue({.messages = 1});
  EXPECT_EQ(queue.try_get().error(), errno_code(EAGAIN));
  EXPECT_EQ(queue.get(in(2ms)).error(), std::errc::timed_out);
  typename TestFixture::Workers workers;
  workers.start([queue]() mutable {
    for (std::uint64_t i = 0; i < 1000; ++i) {
      if (!queue.put(pattern(8, i), soon_enough())) return false;
    }
    return true;
  });
  for (std::uint64_t i = 0; i < 1000; ++i) {
    ASSERT_EQ(queue.get(soon_enough()).value(), pattern(8, i));
  }
  workers.join();
}

TYPED_TEST(QueueTest, ManyProducersAndConsumersLoseNothingAndDoubleNothing) {
  constexpr std::uint64_t producers = 4, each = 5000, consumers = 3;
  struct Seen {
    std::array<std::atomic<std::uint8_t>, producers * each> times{};
  };
  const Shared<Seen> seen;
  typename TestFixture::ByteQueue queue(
      {.bytes = 4096, .producers = static_cast<std::uint32_t>(producers)});
  typename TestFixture::Workers workers;
  for (std::uint64_t p = 0; p < producers; ++p) {
    workers.start([queue, p]() mutable {
      auto out = queue.producer();
      std::vector<std::byte> bytes;
      for (std::uint64_t i = 0; i < each; ++i) {
        bytes.assign(16 + i % 50, std::byte{});
        std::memcpy(bytes.data(), &p, 8);
        std::memcpy(bytes.data() + 8, &i, 8);
        if (!out.put(bytes, soon_enough())) return false;
      }
      return true;
    });
  }
  for (std::uint64_t c = 0; c < consumers; ++c) {
    workers.start([queue, seen, c]() mutable {
      std::array<std::int64_t, producers> last{-1, -1, -1, -1};
      bool good = true;
      const auto note = [&](std::span<const std::byte> bytes) {
        std::uint64_t p = 0, i = 0;
        std::memcpy(&p, bytes.data(), 8);
        std::memcpy(&i, bytes.data() + 8, 8);
        good = good && p < producers && i < each && bytes.size() == 16 + i % 50 &&
               static_cast<std::int64_t>(i) > last[p];
        if (!good) return;
        last[p] = static_cast<std::int64_t>(i);
        ++seen->times[p * each + i];
      };
      std::vector<std::byte> bytes;
      for (;;) {
        auto got = c == 0 ? queue.take(note, soon_enough()) : queue.get(bytes, soon_enough());
        if (!got) return good && got.error() == Errc::end_of_file;
        if (c != 0) note(bytes);
      }
    });
  }
  workers.join();
  for (auto& times : seen->times) ASSERT_EQ(times, 1);
}

TYPED_TEST(QueueTest, CloseEndsTheWaitersOfBothSidesAndLeavesWhatIsThere) {
  typename TestFixture::ByteQueue empty, full({.messages = 1});
  ASSERT_TRUE(full.put(pattern(5, 5)));
  typename TestFixture::Workers workers;
  for (int i = 0; i < 2; ++i) {
    workers.start(
        [empty]() mutable { return empty.get(soon_enough()).error() == Errc::end_of_file; });
    workers.start(
        [full]() mutable { return full.put({}, soon_enough()) == Result<>(fail(EPIPE)); });
  }
  EXPECT_TRUE(eventually([&] {  // until a producer sleeps there
    return empty.core().arm_get().load() == 1 && !full.core().can_put();
  }));
  empty.close();
  full.close();
  workers.join();
  EXPECT_TRUE(full.closed());
  EXPECT_EQ(full.try_put({}).error(), errno_code(EPIPE));
  EXPECT_EQ(full.get().value(), pattern(5, 5));
  EXPECT_EQ(full.get().error(), Errc::end_of_file);
  EXPECT_EQ(full.try_get().error(), Errc::end_of_file);
}

TYPED_TEST(QueueTest, TheEndOfFileComesWithTheLastProducer) {
  typename TestFixture::ByteQueue queue;
  EXPECT_EQ(queue.try_get().error(), errno_code(EAGAIN));  // none has come yet
  {
    auto out = queue.producer(), copy = out, other = queue.producer();
    ASSERT_TRUE(out.put(pattern(1, 1)));
    ASSERT_TRUE(other.try_put(pattern(1, 1)));
    EXPECT_EQ(&copy.queue(), &out.queue());
    EXPECT_TRUE(queue.get());
    {
      const auto gone = std::move(other);
    }
    EXPECT_TRUE(queue.get());
    EXPECT_EQ(queue.try_get().error(), errno_code(EAGAIN));
    ASSERT_TRUE(copy.put(pattern(2, 2)));
  }
  EXPECT_TRUE(queue.get());
  EXPECT_EQ(queue.get().error(), Errc::end_of_file);
  auto again = queue.producer();  // as with a FIFO: the next writer opens it anew
  EXPECT_EQ(queue.try_get().error(), errno_code(EAGAIN));
  ASSERT_TRUE(queue.put(pattern(1, 1)));  // put without a Producer
  EXPECT_TRUE(queue.try_get());
}

TYPED_TEST(QueueTest, AsManyProducersAsExpectedMustHaveCome) {
  typename TestFixture::ByteQueue queue({.producers = 2});
  {
    auto first = queue.producer();
  }
  EXPECT_EQ(queue.try_get().error(), errno_code(EAGAIN));
  {
    auto second = queue.producer();
  }
  EXPECT_EQ(queue.try_get().error(), Errc::end_of_file);
}

TYPED_TEST(QueueTest, ATakeThatThrowsLeavesTheMessage) {
  typename TestFixture::ByteQueue queue;
  ASSERT_TRUE(queue.put(pattern(3, 3)));
  EXPECT_THROW((void)queue.take([](auto) { throw std::runtime_error("no"); }), std::runtime_error);
  EXPECT_EQ(queue.size(), 1u);
  EXPECT_EQ(queue.try_get().value(), pattern(3, 3));
}

TYPED_TEST(QueueTest, ValuesComeOutAsTheyWentIn) {
  using Value = std::pair<std::string, std::vector<int>>;
  typename TestFixture::template Queue<Value> queue;
  typename TestFixture::Workers workers;
  workers.start([queue]() mutable {
    auto out = queue.producer();
    return out.put({"one", {1, 2, 3}}).has_value() && out.put({"two", {}}).has_value();
  });
  EXPECT_EQ(queue.get(soon_enough()).value(), Value("one", {1, 2, 3}));
  EXPECT_EQ(queue.get(soon_enough()).value(), Value("two", {}));
  EXPECT_EQ(queue.get(soon_enough()).error(), Errc::end_of_file);
  workers.join();
  ASSERT_TRUE(queue.bytes().put(pattern(3, 3)));
  EXPECT_EQ(queue.try_get().error(), Errc::protocol_error);
  EXPECT_EQ(queue.try_get().error(), Errc::end_of_file);  // it has been removed
}

class QueueOfProcesses : public NothingLeft {};

TEST_F(QueueOfProcesses, AThreadThatHoldsAllItMayStillPutsAndEnds) {
  ByteQueue queue;
  {
    auto out = queue.producer();
    const test::AtItsLimit limit;
    EXPECT_TRUE(out.try_put(pattern(1, 1)));
    const auto ends = std::move(out);
  }
  EXPECT_TRUE(queue.try_get());
  EXPECT_EQ(queue.try_get().error(), Errc::end_of_file);
}

TEST_F(QueueOfProcesses, AKilledProducerIsNoProducer) {
  ByteQueue queue;
  std::vector<os::ChildProcess> children;
  for (int i = 0; i < 3; ++i) {
    children.push_back(fork_to([&]() -> int {
      auto out = queue.producer();
      (void)out.put(pattern(4, 4));
      for (;;) ::pause();
    }));
  }
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(queue.get(soon_enough()));
  EXPECT_EQ(queue.try_get().error(), errno_code(EAGAIN));
  for (auto& child : children) child.signal(SIGKILL);
  // Not reaped: a zombie is dead as well.
  EXPECT_EQ(queue.get(soon_enough()).error(), Errc::end_of_file);
  for (auto& child : children) EXPECT_EQ(child.wait().signal, SIGKILL);
}

TEST_F(QueueOfProcesses, AForksChildHasTheProducersOfItsParent) {
  ByteQueue queue;
  const Shared<std::atomic<int>> step(std::in_place, 0);
  std::optional<ByteQueue::Producer> out = queue.producer();
  auto child = fork_to([&] {
    *step = 1;
    if (!eventually([&] { return *step == 2; })) return 1;
    return out->put(pattern(4, 4)) ? 0 : 2;
  });
  ASSERT_TRUE(eventually([&] { return *step == 1; }));
  out.reset();
  EXPECT_EQ(queue.get(in(120ms)).error(), std::errc::timed_out);
  *step = 2;
  EXPECT_EQ(queue.get(soon_enough()).value(), pattern(4, 4));
  EXPECT_EQ(queue.get(soon_enough()).error(), Errc::end_of_file);
  EXPECT_EQ(child.wait().code, 0);
}

TEST_F(QueueOfProcesses, ANameIsEnoughToFindIt) {
  const std::string name = "polyio-test-queue-" + std::to_string(::getpid());
  Queue<int> queue(name);
  auto child = fork_to([&] { return Queue<int>(name).put(42) ? 0 : 1; });
  EXPECT_EQ(queue.get(soon_enough()).value(), 42);
  EXPECT_EQ(child.wait().code, 0);
  EXPECT_THROW(Queue<int>(name, {.bytes = 1 << 20}), std::system_error);
}

TEST_F(QueueOfProcesses, QueuesAndProducersAreSentThroughQueues) {
  Queue<ByteQueue> queues;
  Queue<ByteQueue::Producer> producers;
  ByteQueue back;
  auto out = std::optional(back.producer());
  ASSERT_TRUE(queues.put(back));
  ASSERT_TRUE(producers.put(*out));
  auto child = fork_to([&] {
    auto queue = queues.get();
    auto producer = producers.get();
    if (!queue || !producer) return 1;
    out.reset();
    return producer->put(pattern(7, 7)) && queue->put(pattern(8, 8)) ? 0 : 2;
  });
  EXPECT_EQ(back.get(soon_enough()).value(), pattern(7, 7));
  EXPECT_EQ(back.get(soon_enough()).value(), pattern(8, 8));
  EXPECT_EQ(child.wait().code, 0);
  out.reset();
  EXPECT_EQ(back.get(soon_enough()).error(), Errc::end_of_file);
  // A queue whose last user has gone can't be received.
  {
    const ByteQueue gone;
    ASSERT_TRUE(queues.put(gone));
  }
  EXPECT_EQ(queues.get().error(), Errc::protocol_error);
}

TEST_F(QueueOfProcesses, MoreProducersThanCanBeCountedAreRefusedAndTheDeadMakeRoom) {
  ByteQueue queue;
  using Producers = QueueProducers<SharedKernel>;
  std::vector<os::ChildProcess> children;
  Queue<bool> answers;
  for (std::size_t i = 0; i <= Producers::max_processes; ++i) {
    children.push_back(fork_to([&] {
      try {
        const auto out = queue.producer();
        (void)answers.put(true);
        ::pause();
      } catch (const std::system_error& error) {
        (void)answers.put(error.code() != errno_code(ENOSPC));
      }
      return 0;
    }));
    EXPECT_EQ(answers.get(soon_enough()).value(), i < Producers::max_processes);
  }
  for (auto& child : children) child.signal(SIGKILL);
  for (auto& child : children) (void)child.wait();
  EXPECT_NO_THROW((void)queue.producer());
}

}  // namespace
}  // namespace polyio::ipc
