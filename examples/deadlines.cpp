#include <polyio/io/task_group.hpp>
#include <polyio/server/server.hpp>

using namespace polyio;
using namespace std::chrono_literals;

// Ticks once a second beside the reader, on the same connection and without a lock: two tasks of
// one Io never run at the same moment, under any model.
Task<> tick(Io& io, Stream& stream, int& received) {
  for (;;) {
    auto slept = co_await io.sleep(1s);
    if (!slept) co_return;  // cancelled: the reader has ended
    auto sent = co_await stream.send_all("received " + std::to_string(received) + "\n");
    if (!sent) co_return;
  }
}

// Counts what arrives; hangs up on a client that is silent for ten seconds.
Task<> count_bytes(Io& io, Stream stream) {
  int received = 0;
  auto both = [&](TaskGroup& group) -> Task<> {
    auto ticking = group.spawn(tick, io, stream, received);
    if (!ticking) co_return;
    for (;;) {
      CancelScope patience(io, 10s);
      auto chunk = co_await stream.receive();
      if (!chunk || chunk->empty()) break;  // std::errc::timed_out when the scope ended it
      received += static_cast<int>(chunk->size());
    }
    group.cancel();
  };
  co_await with_task_group(io, both);
}

int main(int argc, char** argv) {
  return serve({.listen = argc > 1 ? argv[1] : "127.0.0.1:8081"}, count_bytes);
}
