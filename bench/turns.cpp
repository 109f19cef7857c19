// How long one client that floods holds up the others of its loop, per model: the loop's CPU time
// between two turns of another job, beside a handler that works in pieces. Not the time of day: the
// machine has other work. Arguments: models; default: every one with a loop.
#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <ctime>
#include <polyio/drivers/registry.hpp>
#include <polyio/io/stream.hpp>
#include <polyio/io/task_group.hpp>
#include <polyio/os/socket.hpp>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace polyio;
using namespace std::chrono_literals;

Nanoseconds cpu_time() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + Nanoseconds(time.tv_nsec);
}

void work(Nanoseconds span) {
  const Nanoseconds end = cpu_time() + span;
  while (cpu_time() < end) {
  }
}

// A handler, by how much of what it received it looks at between two awaits, and for how long.
struct Way {
  const char* name;
  std::size_t piece;
  Nanoseconds span;
  bool answers;
};
constexpr Way ways[] = {{"64 bytes, 1 us, answered", 64, 1us, true},
                        {"4 KiB, 100 us, answered", 4096, 100us, true},
                        {"all, 20 ns a byte, no answer", 65'536, 0us, false},
                        {"100 bytes at a time, 20 us", 100, 20us, false}};

Task<> handle(Stream& stream, const Way& way) {
  const bool own = way.piece < 4096 && !way.answers;
  std::vector<std::byte> room(way.piece);
  for (;;) {
    if (own) {  // into its own memory
      auto count = co_await stream.receive_into(room);
      if (!count || *count == 0) co_return;
      work(way.span);
      continue;
    }
    auto chunk = co_await stream.receive();
    if (!chunk || chunk->empty()) co_return;
    if (!way.answers) work(chunk->size() * 20ns);
    for (std::size_t at = 0; way.answers && at < chunk->size(); at += way.piece) {
      work(way.span);
      auto sent = co_await stream.send_all("answer\n");
      if (!sent) co_return;
    }
  }
}

// The client: sends as fast as it can and reads what comes.
void flood(int fd) {
  std::thread reader([fd] {
    std::vector<char> room(1 << 20);
    while (::recv(fd, room.data(), room.size(), 0) > 0) {
    }
  });
  const std::string block(1 << 20, 'x');
  while (::send(fd, block.data(), block.size(), MSG_NOSIGNAL) > 0) {
  }
  reader.join();
}

void measure(const std::string& model, const Way& way) {
  Io io(make_driver(model).value());
  auto listener = os::listen_stream(*os::Address::parse("127.0.0.1:0"), 1, os::Blocking::yes);
  auto client = os::stream_socket(AF_INET, os::Blocking::yes);
  const os::Address to = *os::local_address(listener->get());
  if (::connect(client->get(), to.data(), to.size()) != 0) return;
  auto stream = io.adopt(*os::accept(listener->get(), os::Blocking::yes));
  std::vector<Nanoseconds> gaps;
  auto other = [&](TaskGroup& group) -> Task<> {
    const TimePoint end = monotonic_now() + 2s;
    for (Nanoseconds last = cpu_time(); monotonic_now() < end;) {
      (void)co_await io.yield();
      const Nanoseconds now = cpu_time();
      gaps.push_back(now - last);
      last = now;
    }
    group.cancel();
  };
  auto both = [&](TaskGroup& group) -> Task<> {
    (void)group.spawn(handle, *stream, way);
    co_await other(group);
  };
  std::thread flooding(flood, client->get());
  io.run(with_task_group(io, both));
  (void)os::shutdown(client->get(), SHUT_RDWR);
  stream->close();
  flooding.join();
  std::ranges::sort(gaps);
  const auto ms = [](Nanoseconds span) { return static_cast<double>(span.count()) / 1e6; };
  fmt::print("{:12} {:30} {:8.2f} ms {:8.2f} ms\n", model, way.name,
             ms(gaps[gaps.size() - 1 - gaps.size() / 1000]), ms(gaps.back()));
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> models(argv + 1, argv + argc);
  for (const ModelInfo& info : list_models()) {
    if (argc == 1 && info.available && info.traits->has_loop) models.push_back(info.model);
  }
  fmt::print("{:12} {:30} {:>11} {:>11}\n", "model", "handler's pieces", "p99.9", "most");
  for (const std::string& model : models) {
    for (const Way& way : ways) measure(model, way);
  }
}
