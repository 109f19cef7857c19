// WorkerSet and WorkerSlots as any owner uses them: a Selector, messages, ends, replacements.
#include <signal.h>
#include <sys/wait.h>

#include <array>
#include <optional>
#include <polyio/process/worker_slots.hpp>
#include <polyio/selectors/poll_selector.hpp>
#include <vector>

#include "fixture.hpp"

namespace polyio::process {
namespace {

class WorkerSetTest : public testing::Test, private WorkerSet::Owner {
 protected:
  void SetUp() override { ::alarm(240); }
  void TearDown() override {
    workers_.kill_all();
    EXPECT_TRUE(childless());
    EXPECT_EQ(selector_.size(), 0u);
    ::alarm(0);
  }
  // Handles what comes until `condition()`.
  template <class Condition>
  void handle_until(Condition condition) {
    while (!condition()) {
      std::array<SelectorEvent, 8> events;
      Deadline until = workers_.next_deadline();
      if (slots_) until = std::min(until, slots_->next_deadline());
      const auto count = selector_.select(events, timeout_until(until, monotonic_now()));
      ASSERT_TRUE(count);
      // False for the channel of a worker whose end was handled just before.
      for (std::size_t i = 0; i < *count; ++i) (void)workers_.handle(events[i]);
      killed_ += workers_.kill_overdue();
      if (slots_) slots_->start_due();
    }
  }
  // Says it is ready, then waits for a signal that ends it.
  static int wait_for_signal(os::UniqueFd channel) {
    (void)os::send_message(channel.get(), 'r');
    sigset_t none;
    sigemptyset(&none);
    for (;;) ::sigsuspend(&none);
  }
  WorkerSlots& keep(std::size_t count) {
    return slots_.emplace(
        workers_, count, SIGTERM, retire_within_,
        [this](std::size_t) { return workers_.fork(wait_for_signal, true); },
        [this](std::string_view line) { log_.emplace_back(line); });
  }

  PollSelector selector_;
  WorkerSet workers_{selector_, 10, *this};
  std::optional<WorkerSlots> slots_;
  Nanoseconds retire_within_ = 60s;
  std::string messages_;
  std::vector<std::string> ends_, log_;
  std::size_t crashes_ = 0, killed_ = 0;

 private:
  void on_message(WorkerSet::Worker& worker, char message) override {
    messages_ += message;
    if (slots_) slots_->ready(worker);
  }
  void on_end(WorkerSet::Worker& worker, const os::ExitStatus& status, bool crashed) override {
    ends_.push_back(status.text());
    crashes_ += crashed ? 1 : 0;
    if (slots_) slots_->ended(worker);
  }
};

TEST_F(WorkerSetTest, MessagesAndTheEndOfAWorkerReachItsOwner) {
  const auto worker = workers_.fork(
      [](os::UniqueFd channel) {
        (void)os::send_message(channel.get(), 'a');
        (void)os::send_message(channel.get(), 'b');
        return 3;
      },
      true);
  ASSERT_TRUE(worker);
  const auto id = (*worker)->id;
  handle_until([&] { return workers_.empty(); });
  EXPECT_EQ(ends_, std::vector<std::string>{"ended with code 3"});
  EXPECT_EQ(crashes_, 1u);
  EXPECT_TRUE(messages_.empty() || messages_ == "a" || messages_ == "ab") << messages_;
  EXPECT_EQ(workers_.find(id), nullptr);
}

TEST_F(WorkerSetTest, AChannelEndsInTheWorkerWhenTheSetLetsGo) {
  for (int i = 0; i < 3; ++i) {  // the later ones hold no copy of the channels before
    ASSERT_TRUE(workers_.fork(
        [](os::UniqueFd channel) {
          const auto message = os::receive_message(channel.get(), true);
          return message && message->byte == 0 ? 0 : 1;
        },
        true));
  }
  for (std::uint64_t id = 6; id < 9; ++id) {
    os::UniqueFd& channel = workers_.find(id)->channel;
    EXPECT_TRUE(selector_.unregister(channel.get()));
    channel.reset();
  }
  handle_until([&] { return workers_.empty(); });
  EXPECT_EQ(ends_, std::vector<std::string>(3, "ended with code 0"));
  EXPECT_EQ(crashes_, 0u);
}

TEST_F(WorkerSetTest, AWorkerThatDoesNotEndInTimeIsKilled) {
  ASSERT_TRUE(workers_.fork(wait_for_signal, true));
  ASSERT_TRUE(workers_.fork([](os::UniqueFd) { return 0; }, false));
  workers_.ask_all_to_end(SIGCONT, monotonic_now() + 50ms);
  handle_until([&] { return workers_.empty(); });
  EXPECT_GE(killed_, 1u);
  EXPECT_EQ(ends_.size(), 2u);
  EXPECT_EQ(crashes_, 0u);
}

TEST_F(WorkerSetTest, AReplacedWorkerThatHangsIsKilledAndTheOthersStay) {
  retire_within_ = 50ms;
  keep(2).fill();
  handle_until([&] { return slots_->settled(); });
  const pid_t pid = workers_.find(6)->process.pid();
  ::kill(pid, SIGSTOP);
  siginfo_t stopped{};  // a SIGTERM that arrives before it has stopped would still end it
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(pid), &stopped, WSTOPPED | WNOWAIT), 0);
  slots_->replace_all();
  handle_until([&] { return ends_.size() == 2; });
  EXPECT_GE(killed_, 1u);
  EXPECT_EQ(workers_.size(), 2u);
  EXPECT_EQ(crashes_, 0u);
}

TEST_F(WorkerSetTest, SlotsReplaceAWorkerThatCrashes) {
  keep(2).fill();
  EXPECT_FALSE(slots_->settled());
  handle_until([&] { return slots_->settled(); });
  EXPECT_EQ(workers_.size(), 2u);
  ::kill(workers_.find(6)->process.pid(), SIGKILL);
  handle_until([&] { return messages_.size() == 3; });
  EXPECT_EQ(workers_.size(), 2u);
  EXPECT_EQ(crashes_, 1u);
  ASSERT_EQ(log_.size(), 1u);
  EXPECT_EQ(log_[0], "the worker process is replaced in 100 ms");
}

TEST_F(WorkerSetTest, SlotsReplaceAllTheNewOneFirst) {
  keep(2).fill();
  handle_until([&] { return slots_->settled(); });
  slots_->replace_all();
  EXPECT_EQ(workers_.size(), 4u);
  handle_until([&] { return workers_.size() == 2; });
  EXPECT_EQ(messages_, "rrrr");
  EXPECT_EQ(workers_.find(6), nullptr);
  EXPECT_EQ(workers_.find(7), nullptr);
  EXPECT_EQ(crashes_, 0u);
  EXPECT_TRUE(log_.empty());
}

}  // namespace
}  // namespace polyio::process
