// Asks several servers for their first line and takes the one that comes first; after two seconds
// it gives up. Example: fastest 127.0.0.1:8080 127.0.0.1:8081
#include <fmt/format.h>

#include <polyio/client/connect.hpp>
#include <polyio/drivers/registry.hpp>
#include <polyio/io/buffered_reader.hpp>
#include <polyio/io/when.hpp>

using namespace polyio;
using namespace std::chrono_literals;

Task<Result<std::string>> ask(Io& io, std::string server) {
  auto stream = co_await connect(io, server);
  if (!stream) co_return fail(stream.error());
  BufferedReader reader(*stream);
  auto line = co_await with_timeout(io, 2s, reader.read_line(1024));
  if (!line) co_return fail(line.error());
  co_return std::string(*line);
}

// A server that fails ends the race of those that are asked together, so each failure is followed
// by a race of the others.
Task<> take_the_first(Io& io, std::vector<std::string> servers) {
  while (!servers.empty()) {
    std::vector<Task<Result<std::string>>> asked;
    for (const std::string& server : servers) asked.push_back(ask(io, server));
    auto any = co_await when_any(io, std::move(asked));
    if (!any) co_return;
    const Result<std::string>& answer = any->results[any->index];
    if (answer) {
      fmt::print("{} says: {}\n", servers[any->index], *answer);
      co_return;
    }
    fmt::print(stderr, "{}: {}\n", servers[any->index], answer.error().message());
    servers.erase(servers.begin() + std::ptrdiff_t(any->index));
  }
}

int main(int argc, char** argv) {
  Io io(make_driver("auto").value());
  io.run(take_the_first(io, {argv + 1, argv + argc}));
}
