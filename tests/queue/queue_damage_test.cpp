// A queue whose memory another process has written to, by mistake or to do harm.
#include <gtest/gtest.h>

#include <new>
#include <polyio/base/random.hpp>
#include <polyio/queue/queue.hpp>

namespace polyio::ipc {
namespace {

using Core = QueueCore<SharedKernel>;

// A queue in memory of exactly its size, so that a sanitizer sees whatever goes past it.
struct Bare {
  explicit Bare(const QueueShape& shape)
      : memory(::operator new(Core::size_of(shape), std::align_val_t(64))) {
    Core::make(memory, shape);
  }
  ~Bare() { ::operator delete(memory, std::align_val_t(64)); }
  Bare(const Bare&) = delete;
  Bare& operator=(const Bare&) = delete;
  QueueState<SharedKernel>& state() const {
    return *static_cast<QueueState<SharedKernel>*>(memory);
  }

  void* memory;
};

// All of it but the mutexes, whose entries in their holder's robust list are pointers of that
// process: writing there brings it down whatever is checked.
std::vector<std::span<std::byte>> what_may_be_damaged(const Bare& queue) {
  QueueState<SharedKernel>& state = queue.state();
  const auto of = [](auto& member) { return std::as_writable_bytes(std::span(&member, 1)); };
  return {
      of(state.consumer_asleep), of(state.producer_asleep),
      of(state.seen_head),       of(state.tail),
      of(state.seen_tail),       of(state.head),
      of(state.shape),           {reinterpret_cast<std::byte*>(&state + 1), state.shape.capacity}};
}

TEST(QueueDamage, DamagedMemoryIsAnErrorAndNeverReadOutOfBounds) {
  Random random(11);
  int refused = 0;
  for (int round = 0; round < 20000; ++round) {
    const QueueShape shape = QueueOptions{.bytes = 256, .largest = 100}.shape();
    const Bare bare(shape);
    const auto targets = what_may_be_damaged(bare);
    auto core = Core::of(bare.memory, Core::size_of(shape));
    ASSERT_TRUE(core);
    const std::vector<std::byte> message(random.below(60));
    std::vector<std::byte> got;
    const auto take = [&] {
      return core->take(
          [&](auto first, auto second) {
            got.assign(first.begin(), first.end());
            got.insert(got.end(), second.begin(), second.end());
          },
          Deadline::min());
    };
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(core->put(message, Deadline::min()));
    ASSERT_TRUE(take());
    for (std::uint64_t i = 0; i <= random.below(3); ++i) {
      const std::span<std::byte> target = targets[random.below(targets.size())];
      target[random.below(target.size())] = static_cast<std::byte>(random.next());
    }
    for (int i = 0; i < 8; ++i) {
      got.clear();
      auto taken = take();
      ASSERT_LE(got.size(), 100u);
      refused += !taken && taken.error() == errno_code(EBADMSG);
      (void)core->put(message, Deadline::min());
    }
  }
  EXPECT_GT(refused, 1000);
}

TEST(QueueDamage, AShapeThatCannotBeIsRefused) {
  const QueueShape good = QueueOptions{}.shape();
  const auto refused = [&](auto damage) {
    const Bare bare(good);
    damage(bare.state().shape);
    return !Core::of(bare.memory, Core::size_of(good));
  };
  EXPECT_FALSE(refused([](QueueShape&) {}));
  EXPECT_TRUE(refused([](QueueShape& shape) { shape.capacity *= 2; }));
  EXPECT_TRUE(refused([](QueueShape& shape) { shape.capacity -= 8; }));
  EXPECT_TRUE(refused([](QueueShape& shape) { shape.capacity = 0; }));
  EXPECT_TRUE(refused([](QueueShape& shape) { shape.largest = UINT32_MAX; }));
  EXPECT_FALSE(Core::of(nullptr, 10));
}

}  // namespace
}  // namespace polyio::ipc
