// The tutorial's producers and consumer, each a process, with a queue between them. A producer is
// killed in the middle of its work: the consumer gets what was put and then the end of file,
// because the last producer has gone, and waits for nobody.
#include <fmt/core.h>
#include <signal.h>

#include <polyio/queue/queue.hpp>
#include <polyio/process/process.hpp>
#include <string>
#include <vector>

using namespace polyio;

void produce(ipc::Queue<std::string>::Producer out, int buns, bool die) {
  for (int i = 1; i <= buns; ++i) {
    if (die && i == 3) ::raise(SIGKILL);
    (void)out.put(fmt::format("bun {} of {}", i, die ? "the one who is killed" : "the other"));
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
  // First the consumer: whoever has a Producer, as a fork's child has its parent's, is one.
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
