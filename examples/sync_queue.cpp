#include <fmt/format.h>

#include <polyio/drivers/registry.hpp>
#include <polyio/sync/queue.hpp>
#include <thread>

using namespace polyio;

// A task: waits without holding up the other tasks of its Io.
Task<> add_up(Io& io, Queue<int>& queue, long& sum) {
  for (;;) {
    auto value = co_await queue.get(io);
    if (!value) co_return;  // Errc::end_of_file: closed, and empty
    sum += *value;
  }
}

long add_up_what_a_thread_sends() {
  Queue<int> queue(16);  // the producer waits when it is 16 values ahead
  std::jthread producer([&] {
    for (int i = 1; i <= 100; ++i) {
      if (!queue.put(i)) return;  // a plain thread: blocks it
    }
    queue.close();
  });
  long sum = 0;
  Io io(make_driver("auto").value());
  io.run(add_up(io, queue, sum));
  return sum;
}

int main() { fmt::print("{}\n", add_up_what_a_thread_sends()); }
