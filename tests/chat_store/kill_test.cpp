// A writer that is killed at any point: what it acknowledged is there, once, and its last batch is
// there whole or not at all.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chat/store/store.hpp>
#include <csignal>
#include <polyio/base/random.hpp>

#include "files.hpp"
#include "support/part.hpp"

namespace polyio::chat {
namespace {

using chat_test::append;
using chat_test::said;
using Draft = Store::Draft;

// Item n of all that is ever sent, with its key: a later writer sends again what has no answer.
Draft item(std::uint64_t n) {
  Draft draft = said(fmt::format("item {}", n));
  draft.entry.key = fmt::format("key {}", n);
  return draft;
}

std::uint64_t batch_size(Random& random) { return 1 + random.below(20); }

// Sends items from `next` on in batches and says after each on the pipe how many there are.
[[noreturn]] void write_on(const std::string& path, std::uint64_t next, std::uint64_t seed,
                           int pipe) {
  Random random(seed);
  const auto store = Store::open({.path = path});
  if (!store) ::_exit(1);
  for (;;) {
    std::vector<Draft> drafts;
    for (auto count = batch_size(random); count > 0; --count) drafts.push_back(item(next++));
    if (!append(**store, drafts)) ::_exit(2);
    for (std::size_t i = 0; i < drafts.size(); ++i)
      if (drafts[i].entry.sequence != next - drafts.size() + i) ::_exit(3);
    if (::write(pipe, &next, sizeof next) != sizeof next) ::_exit(4);
  }
}

class Killed {
 public:
  explicit Killed(std::uint64_t seed) : random_(seed) {}

  void once() {
    std::array<int, 2> pipe{};
    ASSERT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
    const std::uint64_t seed = random_.next();
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::close(pipe[0]);
      write_on(folder_.file(), next_, seed, pipe[1]);
    }
    ::close(pipe[1]);
    // It goes on while it is being killed.
    std::uint64_t heard = 0;
    for (auto answers = random_.below(12); answers > 0 && !HasFailure(); --answers)
      if (::read(pipe[0], &heard, sizeof heard) != sizeof heard) break;
    for (volatile auto spin = random_.below(400'000); spin > 0;) spin = spin - 1;
    ::kill(child, SIGKILL);
    while (::read(pipe[0], &heard, sizeof heard) == sizeof heard) continue;
    ::close(pipe[0]);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "it ended by itself: " << WEXITSTATUS(status);
    // The batches as it made them.
    Random its(seed);
    std::uint64_t end = next_;
    for (next_ = std::max(next_, heard); end <= next_;) end += batch_size(its);
    const auto store = chat_test::open_store(folder_.file());
    const Sequence last = store->rooms()->at(0).last;
    ASSERT_GE(last + 1, next_) << "acknowledged and lost";
    ASSERT_TRUE(last == std::max(before_, next_ - 1) || last == std::max(before_, end - 1))
        << last << " is not the end of a batch: " << next_ - 1 << " or " << end - 1;
    before_ = last;
    unanswered_ += last + 1 > next_;
    check(*store, last);
  }

  // Each item once, at its number.
  void check(const Store& store, Sequence last) {
    for (; checked_ < last;) {
      const auto page = store.history(lobby_id, checked_, 0, 500);
      ASSERT_TRUE(page) << page.error().text;
      ASSERT_FALSE(page->empty());
      for (const Entry& entry : *page) {
        ASSERT_EQ(entry.sequence, ++checked_);
        ASSERT_EQ(entry.text, fmt::format("item {}", entry.sequence));
      }
    }
    const auto found = store.search({.words = "item", .rooms = {lobby_id}, .count = 1});
    ASSERT_TRUE(found) << found.error().text;
    if (last > 0) ASSERT_EQ(found->at(0).sequence, last) << "the index is of the same commit";
  }
  void check_all() {
    checked_ = 0;
    const auto store = chat_test::open_store(folder_.file());
    check(*store, store->rooms()->at(0).last);
    std::printf("%llu items acknowledged; %d kills left a batch that had no answer yet\n",
                static_cast<unsigned long long>(next_ - 1), unanswered_);
  }
  static bool HasFailure() { return testing::Test::HasFailure(); }

 private:
  chat_test::Folder folder_;
  Random random_;
  std::uint64_t next_ = 1;  // the first item without an answer
  Sequence before_ = 0, checked_ = 0;
  int unanswered_ = 0;
};

void kill_often(int times, std::uint64_t seed) {
  Killed killed(seed);
  for (int i = 0; i < times && !testing::Test::HasFailure(); ++i) killed.once();
  killed.check_all();
}

TEST(StoreKilled, LosesAndDoublesNothing) { kill_often(40, 1); }
TEST(DeepStoreKilled, LosesAndDoublesNothing) {
  const auto part = test::part();
  kill_often(static_cast<int>(400 / part.of), 100 + part.number);
}

}  // namespace
}  // namespace polyio::chat
