// What docs/queue.md shows.
#include <gtest/gtest.h>

#include <polyio/ipc/mutex.hpp>
#include <polyio/ipc/shared_memory.hpp>
#include <polyio/queue/queue.hpp>
#include <string>

using namespace polyio;
using namespace std::chrono_literals;

namespace {

TEST(IpcDoc, SharedMemory) {
  struct Tickets {
    ipc::Mutex mutex;
    int left = 20;
  };
  ipc::Shared<Tickets> tickets;               // for the processes forked from now on
  ipc::Shared<Tickets> office("box-office");  // the same object for every process of this user
  tickets->left = 1;
  EXPECT_EQ(office->left, 20);
  EXPECT_TRUE(office->mutex.lock());
  EXPECT_TRUE(office->mutex.unlock());
}

TEST(IpcDoc, Queue) {
  ipc::Queue<std::string> queue({.messages = 100});
  auto out = queue.producer();
  auto put = out.put("hello", deadline_after(monotonic_now(), 1s));  // timed_out, EPIPE, EMSGSIZE
  auto message = queue.get();                                        // or end_of_file
  EXPECT_TRUE(put);
  EXPECT_EQ(message.value(), "hello");
}

}  // namespace
