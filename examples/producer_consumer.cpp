// The tutorial's producers and consumer, each a process, with a queue between them. A producer is
// killed in the middle of its work: the consumer gets what was put and then, as the last producer
// has gone, the end of file.
#include <fmt/core.h>
#include <signal.h>

#include <polyio/process/process.hpp>
#include <polyio/queue/queue.hpp>
#include <string>
#include <vector>

using namespace polyio;

void produce(ipc::Queue<std::string>::Producer out, int buns, bool die) {
  for (int i = 1; i <= buns; ++i) {
    if (die && i == 3) ::raise(SIGKILL);
    (void)out.put(fmt::format("bun {} of {}", i, die ? "the killed one" : "the other"));
  }
}

int consume(ipc::Queue<std::string> queue) {
  int eaten = 0;
  for (;;) {
    auto bun = queue.get();
    if (!bun) {
      fmt::print("the consumer ate {}; then: {}\n", eaten, bun.error().message());
      return eaten == 7 ? 0 : 1;
    }
    ++eaten;
  }
}

int main() {
  ipc::Queue<std::string> queue({.messages = 3});
  // The consumer starts first: a forked child inherits a Producer and so counts as a producer.
  process::Process consumer(consume, queue);
  if (!consumer.start()) return 2;
  auto out = queue.producer();
  std::vector<process::Process> producers;
  producers.emplace_back(produce, out, 5, false);
  producers.emplace_back(produce, out, 5, true);
  for (process::Process& producer : producers) {
    if (!producer.start()) return 2;
  }
  out = {};
  for (process::Process& producer : producers) {
    (void)producer.join();
    fmt::print("a producer ended with {}\n", *producer.exitcode());
  }
  (void)consumer.join();
  return *consumer.exitcode();
}
