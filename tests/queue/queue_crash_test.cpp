// A process is killed before each numbered step of each call, while another waits on the queue's
// other side; what is left must be right and go on. Then kills at random.
#include <polyio/base/random.hpp>
#include <polyio/queue/queue.hpp>

#include "ipc/crash_kernel.hpp"
#include "ipc/segments.hpp"

namespace polyio::ipc {
namespace {

using namespace std::chrono_literals;
using CrashQueue = BasicByteQueue<CrashKernel>;

class QueueCrash : public NothingLeft {};

std::vector<std::byte> message(std::uint32_t number) {
  std::vector<std::byte> bytes(20 + number % 40);
  std::memcpy(bytes.data(), &number, sizeof number);
  return bytes;
}
std::uint32_t number_of(std::span<const std::byte> bytes) {
  std::uint32_t number = 0;
  if (bytes.size() >= sizeof number) std::memcpy(&number, bytes.data(), sizeof number);
  return bytes.size() == 20 + number % 40 ? number : UINT32_MAX;
}
// None where there is no error.
template <class T>
std::error_code error_of(const Result<T>& result) {
  return result ? std::error_code() : result.error();
}
Result<std::uint32_t> get_number(CrashQueue& queue, Deadline deadline = soon_enough()) {
  auto got = queue.get(deadline);
  if (!got) return fail(got.error());
  return number_of(*got);
}

// Calls `round(step)` with one step after the other until it answers that the victim has survived.
template <class Round>
void at_every_step(Round round, long least_steps) {
  for (long step = 0; step < 1000; ++step) {
    if (round(step)) {
      EXPECT_GE(step, least_steps) << "so few steps: is anything tried?";
      return;
    }
    if (testing::Test::HasFailure()) {
      ADD_FAILURE() << "at step " << step;
      return;
    }
  }
  FAIL() << "it never survives";
}

// Whether it survived, once it has ended.
bool survives(os::ChildProcess& victim) {
  const os::ExitStatus status = victim.wait();
  EXPECT_TRUE(status.signal == SIGKILL || status.code == 0) << status.text();
  return status.signal == 0;
}
// Runs `call` in a process that is killed before its step `step`. Returns once it runs: then it
// counts as the producers that it has of its parent's.
os::ChildProcess victim(long step, std::move_only_function<bool()> call) {
  const Shared<std::atomic<bool>> up(std::in_place, false);
  auto child = fork_to([step, up, does = std::move(call)]() mutable {
    *up = true;
    CrashKernel::steps_left = step;
    const bool well = does();
    CrashKernel::steps_left = -1;
    return well ? 0 : 1;
  });
  EXPECT_TRUE(eventually([&] { return up->load(); }));
  return child;
}

TEST_F(QueueCrash, KilledInPutTheMessageIsThereOrNotAndTheWaitingConsumerGoesOn) {
  at_every_step(
      [](long step) {
        CrashQueue queue({.bytes = 256});
        auto producer = std::optional(queue.producer());
        auto child = victim(step, [&] { return queue.put(message(1)).has_value(); });
        producer.reset();
        // The end of file comes by the child's death or its put.
        auto first = get_number(queue);
        const bool survived = survives(child);
        if (first) {
          EXPECT_EQ(*first, 1u);
        } else {
          EXPECT_EQ(error_of(first), Errc::end_of_file);
          EXPECT_FALSE(survived);
        }
        EXPECT_EQ(error_of(get_number(queue)), Errc::end_of_file);
        EXPECT_TRUE(queue.put(message(2), soon_enough()));
        EXPECT_EQ(get_number(queue).value(), 2u);
        EXPECT_EQ(queue.size(), 0u);
        return survived;
      },
      8);
}

TEST_F(QueueCrash, KilledInAPutThatWaitsForRoomTheNextProducerGoesOn) {
  at_every_step(
      [](long step) {
        CrashQueue queue({.messages = 1});
        EXPECT_TRUE(queue.put(message(1)));
        auto child = victim(step, [&] { return queue.put(message(2)).has_value(); });
        auto second = fork_to([&] { return queue.put(message(3), soon_enough()) ? 0 : 1; });
        EXPECT_EQ(get_number(queue).value(), 1u);
        std::vector<std::uint32_t> rest{get_number(queue).value()};
        const bool survived = survives(child);
        EXPECT_EQ(second.wait().code, 0);
        // Either may have been the first, and a victim may be killed when its message is there.
        auto more = queue.try_get();
        if (more) rest.push_back(number_of(*more));
        if (more) more = queue.try_get();
        EXPECT_EQ(error_of(more), errno_code(EAGAIN));
        std::ranges::sort(rest);
        EXPECT_EQ(rest.back(), 3u);
        EXPECT_EQ(rest.size() == 2, rest.front() == 2);
        EXPECT_TRUE(!survived || rest.front() == 2);
        return survived;
      },
      8);
}

TEST_F(QueueCrash, KilledInGetAtMostOneMessageGoesWithItAndTheOtherSidesGoOn) {
  at_every_step(
      [](long step) {
        CrashQueue queue({.messages = 2});
        EXPECT_TRUE(queue.put(message(1)));
        EXPECT_TRUE(queue.put(message(2)));
        auto child = victim(step, [&] { return queue.get().has_value(); });
        const bool survived = survives(child);
        EXPECT_TRUE(!survived || queue.size() == 1);
        if (queue.size() == 2) EXPECT_EQ(get_number(queue).value(), 1u);
        EXPECT_EQ(get_number(queue).value(), 2u);
        return survived;
      },
      8);
}

TEST_F(QueueCrash, KilledInGetAProducerThatWaitsForRoomGoesOn) {
  at_every_step(
      [](long step) {
        CrashQueue queue({.messages = 1});
        EXPECT_TRUE(queue.put(message(1)));
        auto child = victim(step, [&] { return queue.get().has_value(); });
        // The second to put waits for the victim or, where that is dead, for the one below.
        auto producer = fork_to([&] { return queue.put(message(2), soon_enough()) ? 0 : 1; });
        const bool survived = survives(child);
        auto got = get_number(queue);
        EXPECT_TRUE(got && (*got == 2 || (*got == 1 && !survived)));
        if (got && *got == 1) EXPECT_EQ(get_number(queue).value(), 2u);
        EXPECT_EQ(producer.wait().code, 0);
        return survived;
      },
      8);
}

TEST_F(QueueCrash, KilledInAGetThatWaitsTheNextConsumerGetsTheMessage) {
  at_every_step(
      [](long step) {
        CrashQueue queue;
        auto child = victim(step, [&] { return queue.get().has_value(); });
        auto next = fork_to([&] {
          auto got = get_number(queue);
          return got && (*got == 1 || *got == 2) ? 0 : 1;
        });
        // One of them for each consumer; a dead one's is taken below.
        EXPECT_TRUE(queue.put(message(1)));
        EXPECT_TRUE(queue.put(message(2)));
        const bool survived = survives(child);
        EXPECT_EQ(next.wait().code, 0);
        if (queue.size() > 0) EXPECT_EQ(get_number(queue).value(), 2u);
        EXPECT_EQ(error_of(queue.try_get()), errno_code(EAGAIN));
        return survived;
      },
      8);
}

TEST_F(QueueCrash, KilledInTakeNoMessageIsLost) {
  struct Done {
    std::array<std::atomic<bool>, 4> set{};
  };
  at_every_step(
      [](long step) {
        CrashQueue queue({.bytes = 128, .largest = 60});
        const Shared<Done> done;
        const auto note = [&](std::span<const std::byte> bytes) {
          CrashKernel::shared_step();
          done->set.at(number_of(bytes)) = true;
          CrashKernel::shared_step();
        };
        EXPECT_TRUE(queue.put(message(0)));
        EXPECT_TRUE(queue.put(message(1)));
        auto child = victim(step, [&] { return queue.take(note) && queue.take(note); });
        const bool survived = survives(child);
        EXPECT_TRUE(queue.put(message(2), soon_enough()));
        while (queue.size() > 0) EXPECT_TRUE(queue.take(note, soon_enough()));
        for (int i = 0; i < 3; ++i) EXPECT_TRUE(done->set[i]) << i;
        return survived;
      },
      16);
}

TEST_F(QueueCrash, KilledInCloseItIsClosedOrNotAndNoneHangs) {
  at_every_step(
      [](long step) {
        CrashQueue queue({.messages = 1});
        EXPECT_TRUE(queue.put(message(1)));
        const Shared<std::atomic<int>> answer(std::in_place, 0);
        auto producer = fork_to([&] {
          auto put = queue.put(message(2), soon_enough());
          *answer = put ? 1 : put.error() == errno_code(EPIPE) ? 2 : 3;
          return 0;
        });
        auto child = victim(step, [&] {
          queue.close();
          return true;
        });
        const bool survived = survives(child);
        const bool closed = queue.closed();
        EXPECT_TRUE(closed || !survived);
        EXPECT_EQ(get_number(queue).value(), 1u);
        EXPECT_EQ(producer.wait().code, 0);
        EXPECT_EQ(*answer, closed ? 2 : 1);
        if (!closed) EXPECT_EQ(get_number(queue).value(), 2u);
        queue.close();
        EXPECT_EQ(error_of(get_number(queue)), Errc::end_of_file);
        return survived;
      },
      1);
}

TEST_F(QueueCrash, KilledWhileAProducerComesOrGoesTheEndOfFileStillComes) {
  at_every_step(
      [](long step) {
        CrashQueue queue;
        auto child = victim(step, [&] {
          auto out = queue.producer();
          return out.put(message(1)).has_value();
        });
        const bool survived = survives(child);
        // Before it was counted in, it was none: then another has to come and go.
        {
          auto other = queue.producer();
        }
        auto got = get_number(queue);
        if (got) {
          EXPECT_EQ(*got, 1u);
          got = get_number(queue);
        }
        EXPECT_EQ(error_of(got), Errc::end_of_file);
        return survived;
      },
      16);
}

// What producers and consumers have done, in memory that outlives them.
constexpr std::uint32_t producers = 3, consumers = 2;
struct Ledger {
  struct Line {
    // The producer's: the last begun and the last known to be in the queue.
    std::atomic<std::uint32_t> begun, put;
    // The consumers', under the queue's lock.
    std::atomic<std::uint32_t> taken;
  };
  std::array<Line, producers> lines{};
  std::atomic<int> wrong = 0;  // messages out of order
  std::atomic<bool> enough = false;
};

// A producer's life: numbered messages until it is enough. A number that a killed producer had
// begun is left out.
int produce(ByteQueue queue, Ledger& ledger, std::uint32_t p) {
  auto out = queue.producer();
  Ledger::Line& line = ledger.lines[p];
  std::array<std::byte, 64> bytes{};
  while (!ledger.enough) {
    const std::uint32_t number = ++line.begun;
    std::memcpy(bytes.data(), &p, 4);
    std::memcpy(bytes.data() + 4, &number, 4);
    if (!out.put(std::span(bytes).first(8 + number % 50), soon_enough())) return 1;
    line.put = number;
  }
  return 0;
}

// A consumer's, to the end of file. The same message may come again: its consumer was killed before
// it was out of the queue.
int consume(ByteQueue queue, Ledger& ledger) {
  const auto check = [&](std::span<const std::byte> bytes) {
    std::uint32_t p = producers, number = 0;
    std::memcpy(&p, bytes.data(), 4);
    std::memcpy(&number, bytes.data() + 4, 4);
    if (p >= producers || bytes.size() != 8 + number % 50) {
      ++ledger.wrong;
      return;
    }
    Ledger::Line& line = ledger.lines[p];
    const std::uint32_t last = line.taken;
    if (number < last || number > line.begun) ++ledger.wrong;
    line.taken = number;
  };
  for (;;) {
    if (auto taken = queue.take(check, soon_enough()); !taken) {
      return taken.error() == Errc::end_of_file ? 0 : 1;
    }
  }
}

TEST_F(QueueCrash, KilledAtRandomNothingIsLostOrDoubledAndTheEndOfFileComes) {
  constexpr int kills = 60;
  const Shared<Ledger> ledger;
  ByteQueue queue({.bytes = 512, .largest = 100, .producers = 1});
  struct Worker {
    os::ChildProcess process;
    std::uint32_t is;  // below `producers`: that producer
  };
  auto held = std::optional(queue.producer());  // or all producers may be dead at one moment
  const auto start = [&](std::uint32_t is) -> Worker {
    auto process = fork_to([&, is] {
      held.reset();  // as with a pipe, its own write end would keep a reader waiting
      return is < producers ? produce(queue, *ledger, is) : consume(queue, *ledger);
    });
    return {std::move(process), is};
  };
  std::vector<Worker> workers;
  for (std::uint32_t i = 0; i < producers + consumers; ++i) workers.push_back(start(i));
  Random random(7);
  for (int kill = 0; kill < kills; ++kill) {
    ::usleep(static_cast<useconds_t>(random.below(5000)));
    Worker& worker = workers[random.below(workers.size())];
    worker.process.signal(SIGKILL);
    EXPECT_EQ(worker.process.wait().signal, SIGKILL);
    worker = start(worker.is);
  }
  ledger->enough = true;
  held.reset();
  for (Worker& worker : workers) {
    const os::ExitStatus status = worker.process.wait();
    EXPECT_EQ(status.code, 0) << worker.is;
    EXPECT_EQ(status.signal, 0) << worker.is;
  }
  EXPECT_EQ(error_of(queue.try_get()), Errc::end_of_file);
  EXPECT_EQ(ledger->wrong, 0);
  for (auto& line : ledger->lines) {
    EXPECT_GT(line.put, 0u);
    EXPECT_GE(line.taken, line.put);
  }
}

}  // namespace
}  // namespace polyio::ipc
