// A Server under one model and architecture, with clients in a process of their own, which knows
// nothing of polyio's I/O. One fault may cost the connection it meets; the next one must be served.
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <optional>
#include <polyio/server/server.hpp>

#include "scenarios.hpp"
#include "storm.hpp"

namespace polyio::torture {
namespace {

using namespace std::chrono_literals;

enum class Answer : std::uint8_t { right, none, wrong };

// Sends `text` and reads it back, then the end. None: the connection ended before.
Answer ask(const sockaddr_in& address, const std::string& text) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval patience{.tv_sec = 5, .tv_usec = 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  Answer answer = Answer::none;
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
      ::send(fd, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size())) {
    std::string got;
    std::array<char, 4096> room;
    ::shutdown(fd, SHUT_WR);
    for (;;) {
      const ssize_t count = ::recv(fd, room.data(), room.size(), 0);
      if (count <= 0) break;
      got.append(room.data(), static_cast<std::size_t>(count));
    }
    if (got == text) answer = Answer::right;
    if (!text.starts_with(got)) answer = Answer::wrong;
  }
  ::close(fd);
  return answer;
}

enum Judgement { fine = 0, one_lost = 1, never_served = 2, wrong_bytes = 3 };

// The clients, one after the other. Each is tried until it is served.
int judge(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  int result = fine;
  for (const std::size_t size : {5u, 30000u, 100u}) {
    const std::string text(size, static_cast<char>('a' + size % 26));
    for (int attempt = 0;; ++attempt) {
      const Answer answer = ask(address, text);
      if (answer == Answer::right) break;
      if (answer == Answer::wrong) return wrong_bytes;
      if (attempt == 4) return never_served;
      result = one_lost;
      ::usleep(20000);  // an accept loop rests for 50 ms after EMFILE
    }
  }
  return result;
}

// The clients' process: waits for the port, judges, and sends the server's process SIGTERM.
pid_t fork_clients(int (&pipe)[2]) {
  const pid_t server = ::getpid();
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  ::alarm(60);
  ::close(pipe[1]);
  std::uint16_t port = 0;
  if (::read(pipe[0], &port, sizeof port) != sizeof port) ::_exit(fine);  // it never listened
  const int result = judge(port);
  ::kill(server, SIGTERM);
  ::_exit(result);
}

void report(int status, bool ran, Outcome& outcome) {
  if (!WIFEXITED(status)) return outcome.require(false, "the clients' process died");
  switch (WEXITSTATUS(status)) {
    case fine: return;
    case one_lost: return outcome.error("a client", "not served at once");
    case never_served:
      if (!ran) return;  // and run() gave the reason
      return outcome.require(false, "a client was never served");
    default: return outcome.require(false, "a client got wrong bytes");
  }
}

Task<> echo(Io&, Stream stream) {
  for (;;) {
    auto chunk = co_await stream.receive();
    if (!chunk || chunk->empty()) co_return;
    auto sent = co_await stream.send_all(chunk->bytes());
    if (!sent) co_return;
  }
}

}  // namespace

void run_server(const Scenario& scenario, const Fault& fault, Outcome& outcome) {
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category());
  const pid_t clients = fork_clients(pipe);
  ::close(pipe[0]);
  ServerOptions options;
  options.model = scenario.model;
  options.architecture = scenario.architecture;
  options.workers = 2;
  options.drain_timeout = 1s;
  options.log = [](std::string_view) {};
  options.on_ready = [end = pipe[1]](const Server& server) {
    const Exempt mine;
    const std::uint16_t port = server.address().port();
    (void)!::write(end, &port, sizeof port);
  };
  std::optional<Storm> storm;
  if (scenario.name == "server-storm") storm.emplace();  // after the fork
  bool ran = false;
  arm(fault);
  try {
    Server server(std::move(options), echo);
    server.run();
    ran = true;
    outcome.require(server.statistics().active == 0, "a connection is left");
  } catch (const std::exception& error) {
    outcome.error("server", error.what());
  }
  disarm();
  storm.reset();
  ::close(pipe[1]);
  if (!ran) ::kill(clients, SIGKILL);
  int status = 0;
  ::waitpid(clients, &status, 0);
  if (ran || WIFEXITED(status)) report(status, ran, outcome);
}

}  // namespace polyio::torture
