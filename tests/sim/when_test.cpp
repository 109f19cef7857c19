// when_any, when_all and with_timeout from a seed: whoever wins, whatever comes at the same moment
// and whenever it is all cancelled, each value is got once and each byte is received.
#include <algorithm>
#include <polyio/io/stream.hpp>
#include <polyio/io/when.hpp>
#include <polyio/sync/queue.hpp>

#include "explore.hpp"

namespace polyio::sim_test {
namespace {

using namespace std::chrono_literals;

// Producers put numbers into several queues; selectors take them, from all queues at once, with
// deadlines all over the place.
class Channels {
 public:
  Channels(Io& io, Random& random) : io_(io), random_(random) {
    for (int i = 0; i < queues; ++i) {
      queues_.push_back(std::make_unique<Queue<int>>(1 + random.below(3)));
    }
  }

  Task<> flow() {
    const auto selectors = 1 + random_.below(3);
    auto all = [&](TaskGroup& group) -> Task<> {
      for (int i = 0; i < queues; ++i) (void)group.spawn(&Channels::produce, this, i);
      for (std::uint64_t i = 0; i < selectors; ++i) (void)group.spawn(&Channels::select, this);
      co_return;
    };
    co_await with_task_group(io_, all);
    require(running_ == 0, "an operation outlived its when_any");
    require(got_.size() == std::size_t(queues * each), "a value was lost or doubled");
    for (int number = 0; number < queues * each; ++number) {
      require(std::ranges::count(got_, number) == 1, "a value was lost, another doubled");
    }
  }

 private:
  static constexpr int queues = 3, each = 12;
  struct Running {
    explicit Running(int& its_count) : count(its_count) { ++count; }
    ~Running() { --count; }
    int& count;
  };

  Task<> pause() {
    if (random_.below(3) == 0) co_return;
    (void)co_await io_.sleep(Nanoseconds(random_.below(3) * 100'000));
  }

  Task<> produce(int from) {
    for (int i = 0; i < each; ++i) {
      co_await pause();
      auto put = co_await queues_[std::size_t(from)]->put(io_, from * each + i);
      require(put.has_value(), "a put failed");
    }
    if (++ended_ < queues) co_return;
    for (auto& queue : queues_) queue->close();
  }

  Task<Result<int>> get(Queue<int>& queue) {
    const Running here(running_);
    auto value = co_await queue.get(io_);
    if (random_.below(4) == 0) (void)co_await io_.yield();
    co_return value;
  }

  bool note(const Result<int>& value) {
    if (value) got_.push_back(*value);
    return value.has_value();
  }

  Task<> select() {
    for (;;) {
      const CancelScope patience(io_, Nanoseconds(random_.below(4) * 100'000));
      std::size_t first = 0;
      bool values = false, closed = false;
      if (random_.below(2) == 0) {
        auto any = co_await when_any(io_, queues_[0]->get(io_), get(*queues_[1]), get(*queues_[2]));
        require(any.has_value(), "no job could be had");
        const Result<int>* results[] = {&std::get<0>(any->results), &std::get<1>(any->results),
                                        &std::get<2>(any->results)};
        first = any->index;
        for (const auto* result : results) values |= note(*result);
        closed = !*results[first] && results[first]->error() == Errc::end_of_file;
      } else {
        std::vector<Task<Result<int>>> gets;
        for (auto& queue : queues_) gets.push_back(get(*queue));
        auto any = co_await when_any(io_, std::move(gets));
        require(any.has_value(), "no job could be had");
        first = any->index;
        for (const auto& result : any->results) values |= note(result);
        closed = !any->results[first] && any->results[first].error() == Errc::end_of_file;
      }
      require(first < queues, "there was no first");
      require(values || closed || patience.cancelled(), "it ended for no reason");
      if (!closed || values) continue;
      for (auto& queue : queues_) {
        while (note(queue->try_get())) {
        }
      }
      co_return;
    }
  }

  Io& io_;
  Random& random_;
  std::vector<std::unique_ptr<Queue<int>>> queues_;
  std::vector<int> got_;
  int running_ = 0, ended_ = 0;
};

Task<> channels(Io& io, SimDriver&, Random& random) {
  Channels channels(io, random);
  co_await channels.flow();
}

TEST(SimWhen, NoValueOfAChannelIsLostOrDoubled) { explore("channels", channels, 1, 4'000); }

// Two connections, one reader of both: every byte that was sent arrives, in order, although half of
// the receives are cancelled.
Task<> two_streams(Io& io, SimDriver& sim, Random& random) {
  const auto address = *os::Address::parse("10.0.0.1:80");
  auto listener = io.listen(address, 8);
  auto sender = [&](Stream& stream) -> Task<> {
    for (char byte = 'a'; byte <= 'z'; ++byte) {
      if (random.below(3) == 0) (void)co_await io.sleep(Nanoseconds(random.below(300'000)));
      const std::string_view one(&byte, 1);
      auto sent = co_await stream.send_all(one);
      if (!sent) co_return;
    }
    (void)stream.shutdown_send();
  };
  auto body = [&](TaskGroup& group) -> Task<> {
    std::vector<Stream> near, far;
    for (int i = 0; i < 2; ++i) {
      auto both = co_await when_all(io, io.connect(address),
                                    with_timeout(io, 1s, listener->accept()));  // of a lost SYN
      require(both.has_value(), "no job could be had");
      auto& [connected, accepted] = *both;
      if (!connected || !accepted) co_return group.cancel();
      near.push_back(std::move(*connected));
      far.push_back(std::move(*accepted));
    }
    auto sending = [&](TaskGroup& senders) -> Task<> {
      for (Stream& stream : far) (void)senders.spawn(sender, stream);
      std::string got[2];
      bool open[2] = {true, true};
      while (open[0] && open[1]) {
        auto any = co_await when_any(io, near[0].receive(), near[1].receive(),
                                     io.sleep(Nanoseconds(random.below(400'000))));
        require(any.has_value(), "no job could be had");
        const Result<Lease>* chunks[] = {&std::get<0>(any->results), &std::get<1>(any->results)};
        for (int i = 0; i < 2; ++i) {
          const auto& chunk = *chunks[i];
          if (chunk) got[i] += chunk->text();
          if (chunk ? chunk->empty() : chunk.error() != std::errc::operation_canceled) {
            open[i] = false;
          }
        }
      }
      for (int i = 0; i < 2; ++i) {
        while (open[i]) {
          auto chunk = co_await near[std::size_t(i)].receive();
          if (chunk) got[i] += chunk->text();
          open[i] = chunk && !chunk->empty();
        }
        const bool whole = got[i].size() == 26;
        require(whole || sim.options().profile != std::string_view("calm"), "bytes are missing");
        require(std::string_view("abcdefghijklmnopqrstuvwxyz").starts_with(got[i]), "out of order");
      }
    };
    co_await with_task_group(io, sending);
  };
  co_await with_task_group(io, body);
}

TEST(SimWhen, NoByteOfAStreamIsLost) { explore("two streams", two_streams, 1, 1'000); }

// The others are cancelled: an hour is not waited for. On a real clock that would only be a hang.
Task<> short_and_long(Io& io, SimDriver&, Random& random) {
  const TimePoint before = io.now();
  auto any = co_await when_any(io, io.sleep(1h), io.sleep(Nanoseconds(random.below(1'000'000))));
  require(any.has_value() && any->index == 1, "the short one is the first");
  const auto& [hour, moment] = any->results;
  require(moment.has_value(), "it was not cancelled");
  require(!hour && hour.error() == std::errc::operation_canceled, "the other was not cancelled");
  require(io.now() - before < 1s, "the other was waited for");
}

TEST(SimWhen, TheOthersAreCancelled) { explore("short and long", short_and_long, 1, 200); }

// A thousand tasks that wait for a second each take one second together, not a thousand.
Task<> sleepers(Io& io, SimDriver&, Random&) {
  std::vector<Task<Result<>>> tasks;
  auto sleeper = [&]() -> Task<Result<>> { co_return co_await io.sleep(1s); };
  for (int i = 0; i < 1'000; ++i) tasks.push_back(sleeper());
  const TimePoint before = io.now();
  auto all = co_await when_all(io, std::move(tasks));
  const Nanoseconds took = io.now() - before;
  require(all.has_value() && std::ranges::all_of(*all, [](auto& one) { return one.has_value(); }),
          "a sleep failed");
  require(took >= 1s && took < 1s + 1ms, fmt::format("took {} ns", took.count()));
}

TEST(SimWhen, AThousandSleepsOfASecondTakeASecond) { explore("sleepers", sleepers, 1, 20); }

}  // namespace
}  // namespace polyio::sim_test
