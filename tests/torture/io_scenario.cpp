// Everything that an Io does, once each: listen, connect, accept, an echo of several pieces, more
// bytes than the sockets hold, deadlines and cancels of receives and sends, a refused connection,
// spawned tasks, sleeps, an unpark from another thread, a Unix socket with a file, datagrams, a
// name looked up beside, and the orderly end.
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <optional>
#include <polyio/client/resolver.hpp>
#include <polyio/drivers/registry.hpp>
#include <polyio/io/cancel_scope.hpp>
#include <polyio/io/datagram.hpp>
#include <polyio/io/stream.hpp>
#include <polyio/io/task_group.hpp>
#include <polyio/os/socket.hpp>
#include <polyio/os/unique_fd.hpp>
#include <thread>

#include "scenarios.hpp"

namespace polyio::torture {
namespace {

using namespace std::chrono_literals;

bool is(std::error_code code, std::errc what) { return code == std::make_error_condition(what); }

// What is sent: each byte shows its place.
std::string pattern(std::size_t size) {
  const Exempt mine;
  std::string text(size, ' ');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + (i * 7 + i / 26) % 26);
  return text;
}

// Two connected sockets with small buffers.
struct Pair {
  os::UniqueFd one, other;
};
Pair small_pair() {
  const Exempt mine;
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
    throw std::system_error(errno, std::generic_category(), "socketpair");
  }
  const int bytes = 4096;
  for (const int end : ends) {
    ::setsockopt(end, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    ::setsockopt(end, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  }
  return {os::UniqueFd(ends[0]), os::UniqueFd(ends[1])};
}

// A name for a Unix socket; what is left of it goes with this.
class SocketFile {
 public:
  SocketFile() {
    const Exempt mine;
    path_ = (std::filesystem::temp_directory_path() / fmt::format("polyio-torture-{}", ::getpid()))
                .string();
  }
  ~SocketFile() {
    const Exempt mine;
    ::unlink(path_.c_str());
  }
  SocketFile(const SocketFile&) = delete;
  SocketFile& operator=(const SocketFile&) = delete;
  const std::string& path() const noexcept { return path_; }

 private:
  std::string path_;
};

class IoScenario {
 public:
  IoScenario(Io& io, Outcome& outcome) : io_(io), outcome_(outcome) {}

  Task<> run() {
    co_await talk();
    co_await bulk();
    co_await deadlines();
    co_await cancelling();
    co_await refused();
    co_await waking();
    co_await talk_by_file();
    co_await datagrams();
    co_await look_up();
  }

 private:
  template <class T>
  bool good(std::string_view where, const Result<T>& result) {
    if (!result) outcome_.error(where, result.error());
    return result.has_value();
  }

  Task<> echo_one(Listener& listener) {
    for (int attempt = 0; attempt < 3; ++attempt) {
      auto stream = co_await listener.accept();
      if (!stream && is(stream.error(), std::errc::operation_canceled)) co_return;
      if (!good("accept", stream)) continue;  // once more, as a server does
      co_await echo(*stream);
      co_return;
    }
  }

  Task<> echo(Stream& stream) {
    for (;;) {
      auto chunk = co_await stream.receive();
      if (!good("the server's receive", chunk) || chunk->empty()) co_return;
      auto sent = co_await stream.send_all(chunk->bytes());
      if (!good("the server's send", sent)) co_return;
    }
  }

  // An echo over TCP, whose bytes are sent in several pieces.
  Task<> talk() {
    const auto here = os::Address::parse("127.0.0.1:0");
    auto listener = io_.listen(*here, 8);
    if (!good("listen", listener)) co_return;
    const auto address = listener->local_address();
    if (!good("local address", address)) co_return;
    co_await exchange(*listener, *address);
  }

  Task<> exchange(Listener& listener, os::Address address) {
    auto both = [&](TaskGroup& group) -> Task<> {
      const auto spawned = group.spawn([&] { return echo_one(listener); });
      if (!good("spawn", spawned)) co_return;
      const bool well = co_await ask(address);
      if (!well) group.cancel();  // the server may wait for a client that never came
    };
    co_await with_task_group(io_, both);
  }

  // The same over a Unix socket whose name is a file, which is gone afterwards.
  Task<> talk_by_file() {
    const SocketFile file;
    const auto here = os::Address::parse("unix:" + file.path());
    {
      auto socket = os::listen_stream(*here, 8, os::Blocking::no, {.unix_mode = 0600});
      if (!good("listen on a file", socket)) co_return;
      auto listener = io_.adopt_listener(std::move(*socket));
      if (!good("adopt a listener", listener)) co_return;
      co_await exchange(*listener, *here);
    }
    // io_uring closes once its accept has been cancelled.
    for (int tries = 0; tries < 1000; ++tries) {
      const auto removed = os::remove_stale_socket(*here);
      if (removed) co_return;
      if (!is(removed.error(), std::errc::address_in_use)) {
        good("remove the file", removed);
        co_return;
      }
      auto slept = co_await io_.sleep(1ms);
      if (!good("sleep", slept)) co_return;
    }
    outcome_.require(false, "the file is in use for ever");
  }

  Task<> datagrams() {
    const auto here = os::Address::parse("127.0.0.1:0");
    auto one = io_.bind(*here);
    if (!good("bind", one)) co_return;
    auto other = io_.bind(*here);
    if (!good("bind", other)) co_return;
    const auto from = one->local_address(), to = other->local_address();
    if (!good("local address", from) || !good("local address", to)) co_return;
    auto sent = co_await one->send_to("a datagram", *to);
    if (!good("send_to", sent)) co_return;  // then nothing comes
    std::array<std::byte, 64> room;
    auto got = co_await other->receive_from(room);
    if (!good("receive_from", got)) co_return;
    const std::string_view text(reinterpret_cast<const char*>(room.data()), got->size);
    outcome_.require(text == "a datagram" && got->from.text() == from->text(), "a wrong datagram");
  }

  // On a thread of the resolver's; the system is asked for what it need not ask others for.
  Task<> look_up() {
    std::optional<Resolver> resolver;
    resolver.emplace(ResolverOptions{
        .threads = 1, .queue = 4, .lookup = [](const std::string&, std::uint16_t port) {
          return os::resolve("127.0.0.1", port);
        }});
    auto found = co_await resolver->resolve(io_, "a.name", 80);
    if (!good("resolve", found)) co_return;
    outcome_.require(found->size() == 1 && found->front().text() == "127.0.0.1:80",
                     "a wrong address");
  }

  Task<bool> ask(os::Address address) {
    auto stream = co_await io_.connect(address);
    if (!good("connect", stream)) co_return false;
    std::string text = pattern(3000);
    const std::string_view all = text;
    const std::array<Part, 3> parts{all.substr(0, 10), all.substr(10, 0), all.substr(10)};
    auto sent = co_await stream->send_all(std::span<const Part>(parts));
    if (!good("send", sent)) co_return false;
    const bool echoed = co_await hear(*stream, text);
    if (!echoed) co_return false;
    if (!good("shutdown", stream->shutdown_send())) co_return false;
    auto end = co_await stream->receive();
    if (good("the end", end)) outcome_.require(end->empty(), "bytes after the echo");
    co_return true;
  }

  // Receives `text`, one half into room of its own. False: an error came instead.
  Task<bool> hear(Stream& stream, std::string_view text) {
    while (text.size() > 100) {
      auto chunk = co_await stream.receive();
      if (!good("receive", chunk)) co_return false;
      if (chunk->empty()) {
        outcome_.error("receive", "the peer ended");
        co_return false;
      }
      const bool same = text.starts_with(chunk->text());
      outcome_.require(same, "wrong bytes were received");
      if (!same) co_return false;
      text.remove_prefix(chunk->size());
    }
    std::array<std::byte, 64> room;
    while (!text.empty()) {
      auto count =
          co_await stream.receive_into(std::span(room).first(std::min(room.size(), text.size())));
      if (!good("receive_into", count)) co_return false;
      if (*count == 0) {
        outcome_.error("receive_into", "the peer ended");
        co_return false;
      }
      const std::string_view got(reinterpret_cast<const char*>(room.data()), *count);
      outcome_.require(text.starts_with(got), "wrong bytes were received into room");
      text.remove_prefix(*count);
    }
    co_return true;
  }

  struct Streams {
    Stream one, other;
  };
  Result<Streams> streams() {
    Pair pair = small_pair();
    auto one = io_.adopt(std::move(pair.one));
    if (!one) return fail(one.error());
    auto other = io_.adopt(std::move(pair.other));
    if (!other) return fail(other.error());
    return Streams{std::move(*one), std::move(*other)};
  }

  // Many times what the sockets hold, in pieces, against a reader beside.
  Task<> bulk() {
    auto pair = streams();
    if (!good("adopt", pair)) co_return;
    std::string text = pattern(40000);
    auto both = [&](TaskGroup& group) -> Task<> {
      const auto spawned = group.spawn([&] { return send_pieces(pair->one, text, group); });
      if (!good("spawn", spawned)) co_return;
      const bool well = co_await hear(pair->other, text);
      if (!well) group.cancel();
    };
    co_await with_task_group(io_, both);
  }

  Task<> send_pieces(Stream& stream, std::string& text, TaskGroup& group) {
    std::array<Part, 5> parts;
    const std::size_t piece = text.size() / parts.size();
    for (std::size_t i = 0; i < parts.size(); ++i) {
      parts[i] = std::string_view(text).substr(i * piece, piece);
    }
    auto sent = co_await stream.send_all(std::span<const Part>(parts));
    if (!good("send of pieces", sent)) group.cancel();
  }

  // A receive to which nothing comes and a send that is not read.
  Task<> deadlines() {
    auto pair = streams();
    if (!good("adopt", pair)) co_return;
    {
      const CancelScope soon(io_, 2ms);
      auto chunk = co_await pair->one.receive();
      outcome_.require(!chunk || chunk->empty(), "bytes that were not sent");
      if (!chunk && !is(chunk.error(), std::errc::timed_out)) good("timed receive", chunk);
      if (chunk) outcome_.error("timed receive", "the end of file");
    }
    auto unread = streams();  // the other pair's kernel may still receive: a multishot's right
    if (!good("adopt", unread)) co_return;
    std::string text = pattern(40000);
    const CancelScope soon(io_, 2ms);
    auto sent = co_await unread->other.send_all(text);
    outcome_.require(!sent, "a send that is not read has succeeded");
    if (!sent && !is(sent.error(), std::errc::timed_out)) good("timed send", sent);
  }

  Task<> wait_for_nothing(Stream& stream) {
    auto chunk = co_await stream.receive();
    outcome_.require(!chunk || chunk->empty(), "bytes that were not sent");
    if (!chunk && !is(chunk.error(), std::errc::operation_canceled)) good("receive", chunk);
  }
  Task<> sleep_long() {
    auto slept = co_await io_.sleep(1h);
    outcome_.require(!slept, "an hour is over");
  }

  Task<> cancelling() {
    auto pair = streams();
    if (!good("adopt", pair)) co_return;
    auto both = [&](TaskGroup& group) -> Task<> {
      const auto waiter = group.spawn([&] { return wait_for_nothing(pair->one); });
      const auto sleeper = group.spawn([&] { return sleep_long(); });
      good("spawn", waiter);
      good("spawn", sleeper);
      auto slept = co_await io_.sleep(1ms);
      good("sleep", slept);
      group.cancel();
    };
    co_await with_task_group(io_, both);
  }

  Task<> refused() {
    const auto unused = os::Address::parse("127.0.0.1:1");
    auto stream = co_await io_.connect(*unused);
    outcome_.require(!stream, "connected without a listener");
    if (!stream && !is(stream.error(), std::errc::connection_refused))
      good("refused connect", stream);
  }

  // An unpark and a piece of work from another thread.
  Task<> waking() {
    std::thread other;
    bool worked = false;
    std::atomic<bool> unparked{false};
    {
      const Exempt mine;
      other = std::thread([this, &job = io_.current(), &worked, &unparked] {
        std::this_thread::sleep_for(1ms);
        try_until_done([&] {
          io_.post([this, &job, &worked] {
            worked = true;
            io_.unpark(job);
          });
        });
        unparked.store(true);
        io_.unpark(job);
      });
    }
    while (!worked || !unparked.load()) {
      auto parked = co_await io_.park();
      if (!good("park", parked)) break;
    }
    other.join();
    auto yielded = co_await io_.yield();
    good("yield", yielded);
  }
  template <class Act>
  void try_until_done(Act act) {
    for (;;) {
      try {
        return act();
      } catch (const std::bad_alloc& error) {
        outcome_.error("another thread", error.what());
      }
    }
  }

  Io& io_;
  Outcome& outcome_;
};

}  // namespace

void run_io(const std::string& model, const Fault& fault, Outcome& outcome) {
  arm(fault);
  try {
    auto driver = make_driver(model);
    if (!driver) {
      outcome.error("make_driver", driver.error());
    } else {
      Io io(std::move(*driver));
      try {
        IoScenario scenario(io, outcome);
        io.run(scenario.run());
      } catch (const std::exception& error) {
        outcome.error("run", error.what());
      }
      outcome.require(io.jobs() == 0, "a job is left");
      outcome.require(io.timers() == 0, "a timer is left");
    }
  } catch (const std::exception& error) {
    outcome.error("set-up", error.what());
  }
  disarm();
}

}  // namespace polyio::torture
