// An upper-casing server that changes its I/O model while it runs, under the connections that are
// open: each line of the input names the next. Example: turn_the_dial 127.0.0.1:8080
#include <fmt/format.h>

#include <iostream>
#include <polyio/server/server.hpp>
#include <thread>

using namespace polyio;

Task<> upper(Io&, Stream stream) {
  for (;;) {
    auto chunk = co_await stream.receive();
    if (!chunk || chunk->empty()) co_return;
    for (std::byte& b : chunk->bytes()) b = std::byte(std::toupper(int(b)));
    auto sent = co_await stream.send_all(chunk->bytes());
    if (!sent) co_return;
  }
}

void turn(Server& server, const std::string& model) {
  try {
    const ModelChange change = server.set_model(model);
    fmt::print("{} after {}: {} connections, a pause of {} us\n", change.now, change.before,
               change.connections, change.pause / std::chrono::microseconds(1));
  } catch (const std::exception& refused) {
    fmt::print("{}\n", refused.what());
  }
}

int main(int argc, char** argv) {
  Server server({.listen = argc > 1 ? argv[1] : "127.0.0.1:8080"}, upper);
  std::jthread serving([&] { server.run(); });
  fmt::print("{}\n", server.ready_line());
  std::fflush(stdout);
  for (std::string model; std::getline(std::cin, model); std::fflush(stdout)) turn(server, model);
  server.stop();
}
