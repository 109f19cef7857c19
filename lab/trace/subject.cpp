#include "subject.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <polyio/drivers/registry.hpp>
#include <polyio/io/datagram.hpp>
#include <polyio/io/stream.hpp>
#include <system_error>

namespace polyio::lab {
namespace {

constexpr int send_room = 128 * 1024;  // of the socket: soon full

template <class T>
T& got(Result<T>& result, const char* what) {
  if (!result) throw std::system_error(result.error(), what);
  return *result;
}

os::Address address(std::string_view text) {
  auto parsed = os::Address::parse(text);
  return got(parsed, "address");
}

void say_ready(const std::string& where) {
  fmt::print("listening on {} (traced)\n", where);
  std::fflush(stdout);
}

template <class Socket>
void say_where(const Socket& socket) {
  auto own = socket.local_address();
  say_ready(got(own, "address").text());
}

// The thread that asks is the one that goes on.
void asks(Marks& marks, int descriptor) {
  marks.thread = ::gettid();
  marks.descriptor = descriptor;
  marks.asked = monotonic_now().time_since_epoch().count();
}

void has_it(Marks& marks) { marks.began = monotonic_now().time_since_epoch().count(); }

Task<> accepts(Io& io, Marks& marks) {
  auto listener = io.listen(address("127.0.0.1:0"), 16);
  say_where(got(listener, "listen"));
  for (;;) {
    asks(marks, listener->descriptor());
    auto socket = co_await listener->accept_socket();
    has_it(marks);
    (void)got(socket, "accept");
  }
}

Task<> connects(Io& io, Marks& marks, std::string server) {
  const os::Address there = address(server);
  say_ready(server);
  for (;;) {
    asks(marks, -1);
    auto stream = co_await io.connect(there);
    has_it(marks);
    (void)got(stream, "connect");
  }
}

// Until the kernel has no room for some milliseconds: how many bytes it took.
std::int64_t fill(int socket) {
  static constexpr std::array<char, 8192> some{};
  std::int64_t filled = 0;
  pollfd waited{socket, POLLOUT, 0};
  do {
    ssize_t sent = 0;
    while ((sent = ::send(socket, some.data(), some.size(), MSG_DONTWAIT | MSG_NOSIGNAL)) > 0) {
      filled += sent;
    }
  } while (::poll(&waited, 1, 5) != 0);
  return filled;
}

Task<> sends(Io& io, Marks& marks, std::size_t size) {
  auto listener = io.listen(address("127.0.0.1:0"), 1);
  say_where(got(listener, "listen"));
  auto socket = co_await listener->accept_socket();
  auto stream = io.adopt(std::move(got(socket, "accept")));
  auto small = got(stream, "adopt").set_option(os::SocketOption::send_buffer, send_room);
  if (!small) throw std::system_error(small.error(), "SO_SNDBUF");
  const std::vector<std::byte> message(size);
  for (;;) {
    marks.sent += fill(stream->descriptor());
    asks(marks, stream->descriptor());
    auto sent = co_await stream->send_all(message);
    marks.sent += static_cast<std::int64_t>(size);
    has_it(marks);
    if (!sent) throw std::system_error(sent.error(), "send");
  }
}

Task<> receives_datagrams(Io& io, Marks& marks) {
  auto socket = io.bind(address("127.0.0.1:0"));
  say_where(got(socket, "bind"));
  std::vector<std::byte> room(8192);
  for (;;) {
    asks(marks, socket->descriptor());
    auto datagram = co_await socket->receive_from(room);
    has_it(marks);
    (void)got(datagram, "recvfrom");
  }
}

Task<> sends_datagrams(Io& io, Marks& marks, std::size_t size) {
  auto socket = io.bind(address("127.0.0.1:0"));
  say_where(got(socket, "bind"));
  std::vector<std::byte> room(8192);
  const std::vector<std::byte> message(size);
  for (;;) {
    auto datagram = co_await socket->receive_from(room);
    const os::Address from = got(datagram, "recvfrom").from;
    asks(marks, socket->descriptor());
    auto sent = co_await socket->send_to(message, from);
    has_it(marks);
    if (!sent) throw std::system_error(sent.error(), "sendto");
  }
}

Task<> task_of(Io& io, const Subject& subject, Marks& marks) {
  const std::string_view name = subject.call->name;
  if (name == "accept") return accepts(io, marks);
  if (name == "connect") return connects(io, marks, subject.server);
  if (name == "send") return sends(io, marks, subject.size);
  if (name == "recvfrom") return receives_datagrams(io, marks);
  if (name == "sendto") return sends_datagrams(io, marks, subject.size);
  throw std::invalid_argument("polyio lab serve is the subject of recv");
}

}  // namespace

void run_subject(const Subject& subject, Marks& marks) {
  marks.empty_call = cost_of_a_call().count();
  auto driver = make_driver(subject.model);
  Io io(std::move(got(driver, "model")));
  io.run(task_of(io, subject, marks));
}

}  // namespace polyio::lab
