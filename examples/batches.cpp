// Collects lines and writes them out in batches, once a second and at the end.
// batches [ADDRESS [MODEL [ARCHITECTURE]]]
#include <cstdio>
#include <polyio/io/buffered_reader.hpp>
#include <polyio/io/per_io.hpp>
#include <polyio/server/server.hpp>

using namespace polyio;

PerIo<std::string> batches([](Io&) { return std::make_unique<std::string>(); });

Task<> collect(Io& io, Stream stream) {
  BufferedReader reader(stream);
  for (;;) {
    auto line = co_await reader.read_line(1024);
    if (!line) co_return;
    batches.of(io).append(*line).push_back('\n');
  }
}

void write_out(std::string& batch) {
  std::fwrite(batch.data(), 1, batch.size(), stdout);
  std::fflush(stdout);
  batch.clear();
}

Task<> flush(Background& background) {
  std::string& batch = batches.of(background.io());
  for (bool goes_on = true; goes_on;) {
    const bool paused = co_await background.pause(std::chrono::seconds(1));
    goes_on = paused;  // false: no handler runs any more
    write_out(batch);
  }
}

int main(int argc, char** argv) {
  return serve({.listen = argc > 1 ? argv[1] : "127.0.0.1:8085",
                .model = argc > 2 ? argv[2] : "epoll",
                .architecture = argc > 3 ? argv[3] : "loop",
                .background = {flush}},
               collect);
}
