// Passes connections on to another server: forward TARGET [ADDRESS [MODEL [ARCHITECTURE]]]
#include <cstdio>
#include <polyio/client/connect.hpp>
#include <polyio/io/task_group.hpp>
#include <polyio/server/server.hpp>

using namespace polyio;

std::string target;

// One direction, until its end, which is passed on as well. False: it broke off.
Task<bool> pump(Stream& from, Stream& to) {
  for (;;) {
    auto chunk = co_await from.receive();
    if (!chunk) co_return false;
    if (chunk->empty()) co_return to.shutdown_send().has_value();
    auto sent = co_await to.send_all(chunk->bytes());
    if (!sent) co_return false;
  }
}

// What breaks one direction ends the other.
Task<> pump_in(TaskGroup& group, Stream& from, Stream& to, bool& whole) {
  const bool ended = co_await pump(from, to);
  if (ended) co_return;
  whole = false;
  group.cancel();
}

Task<> forward(Io& io, Stream client) {
  client.keep_in_drain();  // an end that the server's stop makes must not be passed on
  auto upstream = co_await connect(io, target);
  if (!upstream) {
    client.reset();
    co_return;
  }
  bool whole = true;
  auto both = [&](TaskGroup& group) -> Task<> {
    auto spawned = group.spawn(pump_in, group, client, *upstream, whole);
    whole = spawned.has_value();
    if (whole) co_await pump_in(group, *upstream, client, whole);
  };
  co_await with_task_group(io, both);
  if (whole) co_return;
  client.reset();  // so that neither takes what it got for all there is
  upstream->reset();
}

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fputs("usage: forward HOST:PORT [ADDRESS [MODEL [ARCHITECTURE]]]\n", stderr);
    return 2;
  }
  target = argv[1];
  return serve({.listen = argc > 2 ? argv[2] : "127.0.0.1:8084",
                .model = argc > 3 ? argv[3] : "auto",
                .architecture = argc > 4 ? argv[4] : ""},
               forward);
}
