// A filter of a pipeline: numbers the lines of stdin to stdout. SIGUSR1 says how many there were.
// filter [MODEL]
#include <fmt/core.h>
#include <unistd.h>

#include <polyio/drivers/registry.hpp>
#include <polyio/exec/signals.hpp>
#include <polyio/io/buffered_reader.hpp>
#include <polyio/io/task_group.hpp>

using namespace polyio;

Task<> number(Stream& in, Stream& out, int& lines) {
  BufferedReader reader(in);
  for (;;) {
    auto line = co_await reader.read_line(64 * 1024);
    if (!line) co_return;
    const std::string numbered = fmt::format("{:6}  {}\n", ++lines, *line);
    auto sent = co_await out.send_all(numbered);
    if (!sent) co_return;  // as of `head`, which has seen enough
  }
}

Task<> report(Io& io, Signals& signals, const int& lines) {
  for (;;) {
    auto number = co_await signals.next(io);
    if (!number) co_return;
    fmt::print(stderr, "{} lines so far\n", lines);
  }
}

int main(int argc, char** argv) {
  Io io(make_driver(argc > 1 ? argv[1] : "epoll").value());
  auto in = io.adopt_descriptor(os::UniqueFd(::dup(STDIN_FILENO)));
  auto out = io.adopt_descriptor(os::UniqueFd(::dup(STDOUT_FILENO)));
  if (!in || !out) {
    fmt::print(stderr, "filter: only pipes and terminals: {}\n", (in ? out : in).error().message());
    return 1;
  }
  Signals signals{SIGUSR1};
  int lines = 0;
  auto both = [&](TaskGroup& group) -> Task<> {
    auto started = group.spawn(report, io, signals, lines);
    co_await number(*in, *out, lines);
    group.cancel();
    (void)started;
  };
  io.run(with_task_group(io, both));
}
