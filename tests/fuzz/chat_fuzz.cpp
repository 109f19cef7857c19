// A whole chat under hostile bytes, beside a healthy line client: a line client, the frames of a
// page, or a request of the API, as the input's first byte says. Whatever comes, the other client
// goes on being served, what it gets is text, and the hostile one's session ends with it.
#include <chat/sessions/sessions.hpp>
#include <cstdint>
#include <polyio/drivers/registry.hpp>
#include <polyio/io/task_group.hpp>
#include <polyio/os/signals.hpp>
#include <polyio/os/socket.hpp>
#include <polyio/proto/text.hpp>
#include <polyio/proto/websocket.hpp>

#include "fuzz.hpp"

namespace polyio::chat_test {
namespace {

using namespace std::chrono_literals;
using proto::test::require;

constexpr std::size_t longest = 4096;

// One for all inputs: its rooms and people are those that the inputs before have left.
struct World {
  static chat::ChatOptions options() {
    chat::ChatOptions options;
    options.silence = options.keep_alive = 1ms;
    options.flood.per_second = 0;
    options.write_inline = true;
    return options;
  }
  World() {
    os::ignore_sigpipe();
    chat.open({&io});
  }
  Io io{*make_driver("epoll")};
  chat::Chat chat{options()};
  unsigned marker = 0;
};
World& world() {
  static World all;
  return all;
}

std::string masked(std::string_view text) {
  std::string frame("\x81");
  if (text.size() < 126) {
    frame += static_cast<char>(0x80 | text.size());
  } else {
    frame += {'\xfe', static_cast<char>(text.size() >> 8), static_cast<char>(text.size())};
  }
  frame.append(4, '\0');
  return frame.append(text);
}

// What the client sends.
std::string bytes_of(std::uint8_t kind, std::string_view input) {
  if (kind % 4 == 0) return std::string(input);
  if (kind % 4 == 1) {
    std::string all =
        "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    while (!input.empty()) {
      const std::string_view line = input.substr(0, input.find('\n'));
      all += masked(line);
      input.remove_prefix(std::min(line.size() + 1, input.size()));
    }
    return all;
  }
  if (kind % 4 == 2) {
    const std::string_view target = input.substr(0, input.find('\n'));
    return fmt::format("GET /api/search?{} HTTP/1.1\r\nHost: localhost\r\n\r\n", target);
  }
  constexpr std::array<const char*, 4> paths{"login", "register", "password", "logout"};
  return fmt::format(
      "POST /api/{} HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n"
      "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
      paths[kind / 4 % 4], input.size(), input);
}

std::pair<Stream, Stream> connected(Io& io) {
  int ends[2];
  require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0,
          "a pair of sockets");
  auto near = io.adopt(os::UniqueFd(ends[0])), far = io.adopt(os::UniqueFd(ends[1]));
  return {std::move(*near), std::move(*far)};
}

Task<> drain(Stream& stream) {
  for (bool more = true; more;) {
    auto chunk = co_await stream.receive();
    more = chunk && !chunk->empty();
  }
}

Task<> hostile(Stream& stream, const std::string& bytes) {
  auto both = [&](TaskGroup& group) -> Task<> {
    (void)group.spawn(drain, stream);
    auto sent = co_await stream.send_all(bytes);
    if (sent) (void)stream.shutdown_send();
  };
  co_await with_task_group(stream.io(), both);
}

// Says something, and takes lines until it comes back.
Task<> healthy(Stream& stream) {
  const std::string marker = fmt::format("marker {}", world().marker++);
  const std::string line = marker + "\n", last = "] " + line;
  std::string got;
  auto sent = co_await stream.send_all(line);
  require(sent.has_value(), "the healthy client is served");
  while (!got.ends_with(last)) {
    auto chunk = co_await stream.receive();
    require(chunk && !chunk->empty(), "the healthy client is served to the end");
    got += chunk->text();
  }
  for (std::string_view rest = got; !rest.empty();) {
    const std::string_view text = rest.substr(0, rest.find('\n'));
    require(proto::check_text(text).has_value(), "a client gets only text");
    rest.remove_prefix(text.size() + 1);
  }
  (void)stream.shutdown_send();
  co_await drain(stream);
}

Task<> run(World& all, const std::string& bytes) {
  auto [near, near_served] = connected(all.io);
  auto [far, far_served] = connected(all.io);
  auto everything = [&](TaskGroup& group) -> Task<> {
    (void)group.spawn(chat::serve_connection, all.chat, std::move(near_served));
    (void)group.spawn(chat::serve_connection, all.chat, std::move(far_served));
    (void)group.spawn(hostile, far, bytes);
    co_await healthy(near);
  };
  co_await with_task_group(all.io, everything);
}

}  // namespace
}  // namespace polyio::chat_test

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace polyio::chat_test;
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data + 1),
                               std::min(size - 1, longest));
  World& all = world();
  all.io.run(run(all, bytes_of(data[0], input)));
  require(all.chat.people() == 0, "all have left");
  require(all.io.jobs() == 0, "no session is left");
  return 0;
}
