#include "client.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <vector>

#include "../load/network.hpp"

namespace polyio::lab {
namespace {

constexpr int receive_room = 32 * 1024;  // of the socket that what is sent waits for

sockaddr* base(sockaddr_in& address) { return reinterpret_cast<sockaddr*>(&address); }

os::UniqueFd socket_of(int kind) {
  os::UniqueFd socket(::socket(AF_INET, kind | SOCK_CLOEXEC, 0));
  if (!socket) fail("socket");
  return socket;
}

void connect_to(int socket, sockaddr_in address) {
  if (::connect(socket, base(address), sizeof address) != 0) fail("connect");
}

void send_all_of(int socket, const std::string& message) {
  const ssize_t sent = ::send(socket, message.data(), message.size(), MSG_NOSIGNAL);
  if (sent != static_cast<ssize_t>(message.size())) {
    throw std::runtime_error("the message can't be sent");
  }
}

// What comes, at once; 0: nothing yet. Throws when the connection is over.
std::size_t receive_now(int socket, std::span<char> room) {
  const ssize_t got = ::recv(socket, room.data(), room.size(), MSG_DONTWAIT);
  if (got > 0) return static_cast<std::size_t>(got);
  if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
    throw std::runtime_error("the server has closed the connection");
  }
  return 0;
}

// recv: a message to `polyio lab serve`, which it answers in upper case.
class Asks : public Client {
 public:
  explicit Asks(std::size_t size) : message_(size, 'a'), answer_(size, '\0') {}
  void meet(const std::string& address) override {
    socket_.reset(connect_one(parse_server(address), 0));
  }
  Moment act(const Await&) override {
    size_ = 0;
    const TimePoint sending = monotonic_now();
    send_all_of(socket_.get(), message_);
    return {sending, monotonic_now()};
  }
  bool done() override {
    size_ += receive_now(socket_.get(), std::span(answer_).subspan(size_));
    if (size_ < answer_.size()) return false;
    if (answer_ != std::string(size_, 'A')) throw std::runtime_error("a wrong answer came");
    return true;
  }
  int descriptor() const override { return socket_.get(); }

 private:
  std::string message_, answer_;
  std::size_t size_ = 0;
  os::UniqueFd socket_;
};

// The others are done when the traced process has what it asked for.
class Watches : public Client {
 public:
  explicit Watches(const Marks& marks) : marks_(marks) {}
  bool done() override { return marks_.began > since_; }

 protected:
  Moment from(TimePoint sending, TimePoint data) {
    since_ = sending.time_since_epoch().count();
    return {sending, data};
  }
  const Marks& marks_;
  std::int64_t since_ = 0;
  os::UniqueFd socket_;
};

class Connects : public Watches {
 public:
  using Watches::Watches;
  void meet(const std::string& address) override { server_ = parse_server(address); }
  Moment act(const Await&) override {
    socket_ = socket_of(SOCK_STREAM);
    const TimePoint sending = monotonic_now();
    connect_to(socket_.get(), server_);
    return from(sending, monotonic_now());
  }

 private:
  sockaddr_in server_{};
};

// The queue of its listener has room for one connection, and has one: the kernel drops what asks
// for another, which asks again after a second. Else a connection on loopback is there at once.
class Accepts : public Watches {
 public:
  explicit Accepts(const Marks& marks) : Watches(marks), filler_(socket_of(SOCK_STREAM)) {
    socket_ = socket_of(SOCK_STREAM);
    address_ = parse_server("127.0.0.1:1");
    address_.sin_port = 0;
    socklen_t size = sizeof address_;
    if (::bind(socket_.get(), base(address_), size) != 0 || ::listen(socket_.get(), 0) != 0 ||
        ::getsockname(socket_.get(), base(address_), &size) != 0) {
      fail("listen");
    }
    connect_to(filler_.get(), address_);
  }
  std::string target() const override {
    return fmt::format("127.0.0.1:{}", ntohs(address_.sin_port));
  }
  void meet(const std::string&) override {}
  Moment act(const Await& await) override {
    taken_.reset(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    since_ = marks_.asked;
    await([&] { return waits() || done(); });
    const TimePoint now = monotonic_now();
    return {now, now};
  }

 private:
  bool waits() const {
    pollfd waited{socket_.get(), POLLIN, 0};
    return ::poll(&waited, 1, 0) > 0;
  }
  sockaddr_in address_{};
  os::UniqueFd filler_, taken_;
};

class Reads : public Watches {
 public:
  explicit Reads(const Marks& marks, std::size_t size)
      : Watches(marks), size_(size), room_(1 << 20) {}
  void meet(const std::string& address) override {
    socket_ = socket_of(SOCK_STREAM);
    const int room = receive_room;
    if (::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUF, &room, sizeof room) != 0) {
      fail("SO_RCVBUF");
    }
    connect_to(socket_.get(), parse_server(address));
  }
  Moment act(const Await&) override {
    left_ = static_cast<std::size_t>(marks_.sent) + size_ - read_;
    const TimePoint sending = monotonic_now();
    read();
    return from(sending, monotonic_now());
  }
  bool done() override {
    while (left_ > 0 && read()) {
    }
    return left_ == 0 && Watches::done();
  }
  int descriptor() const override { return left_ > 0 ? socket_.get() : -1; }

 private:
  // No more than is sent till the end of the call.
  bool read() {
    const auto room = std::span(room_).first(std::min(left_, room_.size()));
    const std::size_t got = receive_now(socket_.get(), room);
    left_ -= got;
    read_ += got;
    return got > 0;
  }
  std::size_t size_, left_ = 0, read_ = 0;
  std::vector<char> room_;
};

class SendsDatagram : public Watches {
 public:
  // `asks`: for one that is sent then: that is when the trace begins to count.
  SendsDatagram(const Marks& marks, std::size_t size, bool asks)
      : Watches(marks), message_(size, 'a'), asks_(asks) {}
  void meet(const std::string& address) override {
    socket_ = socket_of(SOCK_DGRAM);
    connect_to(socket_.get(), parse_server(address));
  }
  Moment act(const Await& await) override {
    const TimePoint sending = monotonic_now();
    send_all_of(socket_.get(), message_);
    const Moment moment = from(sending, monotonic_now());
    if (!asks_) return moment;
    await([&] { return done(); });
    const TimePoint asked{Nanoseconds(marks_.asked)};
    std::vector<char> answer(message_.size() + 1);
    (void)receive_now(socket_.get(), answer);
    return {asked, asked};
  }

 private:
  std::string message_;
  bool asks_;
};

}  // namespace

std::unique_ptr<Client> make_client(const Call& call, std::size_t size, const Marks& marks) {
  if (call.name == "recv") return std::make_unique<Asks>(size);
  if (call.name == "accept") return std::make_unique<Connects>(marks);
  if (call.name == "connect") return std::make_unique<Accepts>(marks);
  if (call.name == "send") return std::make_unique<Reads>(marks, size);
  return std::make_unique<SendsDatagram>(marks, size, call.name == "sendto");
}

}  // namespace polyio::lab
