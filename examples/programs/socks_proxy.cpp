// A SOCKS5 proxy (RFC 1928: CONNECT, no authentication):
// socks_proxy [ADDRESS [MODEL [ARCHITECTURE [IDLE_SECONDS]]]]
#include <fmt/core.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <polyio/client/connect.hpp>
#include <polyio/io/buffered_reader.hpp>
#include <polyio/io/task_group.hpp>
#include <polyio/server/server.hpp>

using namespace polyio;
using namespace std::chrono_literals;

Nanoseconds idle_limit = 60s;

enum Code : std::uint8_t {
  succeeded,
  failed,
  not_allowed,
  no_network,
  no_host,
  refused,
  expired,
  no_command,
  no_type
};
enum Type : std::uint8_t { ipv4 = 1, name = 3, ipv6 = 4 };

Code code_for(std::error_code error) {
  if (error.category() == os::resolve_category()) return no_host;
  if (error == std::errc::connection_refused) return refused;
  if (error == std::errc::network_unreachable) return no_network;
  if (error == std::errc::host_unreachable) return no_host;
  if (error == std::errc::timed_out) return expired;
  return failed;
}

// `bound`: where the proxy's own end of the connection is.
std::string reply_for(Code code, const os::Address& bound) {
  const std::string_view raw(reinterpret_cast<const char*>(bound.data()), bound.size());
  std::string reply{5, static_cast<char>(code), 0};
  if (bound.family() == AF_INET6) {
    reply.append(1, ipv6).append(raw.substr(offsetof(sockaddr_in6, sin6_addr), 16));
  } else if (bound.family() == AF_INET) {
    reply.append(1, ipv4).append(raw.substr(offsetof(sockaddr_in, sin_addr), 4));
  } else {
    reply.append(1, ipv4).append(4, 0);
  }
  reply.append({static_cast<char>(bound.port() >> 8), static_cast<char>(bound.port())});
  return reply;
}

std::uint8_t byte_at(std::span<const std::byte> bytes, std::size_t place) {
  return std::to_integer<std::uint8_t>(bytes[place]);
}
std::uint16_t number_at(std::span<const std::byte> bytes, std::size_t place) {
  return static_cast<std::uint16_t>(byte_at(bytes, place) << 8 | byte_at(bytes, place + 1));
}

std::string host_text(Type type, std::span<const std::byte> host) {
  if (type == name) return {reinterpret_cast<const char*>(host.data()), host.size()};
  std::string text;
  for (std::size_t i = 0; i < host.size(); i += type == ipv4 ? 1 : 2) {
    if (type == ipv4)
      text += fmt::format("{}{}", i ? "." : "", byte_at(host, i));
    else
      text += fmt::format("{}{:x}", i ? ":" : "", number_at(host, i));
  }
  return text;
}

// The client's greeting, and the answer to it.
Task<Result<>> greet(BufferedReader& in, Stream& client) {
  auto head = co_await in.read_exactly(2);
  if (!head) co_return fail(head.error());
  if (byte_at(*head, 0) != 5) co_return fail(Errc::protocol_error);
  auto methods = co_await in.read_exactly(byte_at(*head, 1));
  if (!methods) co_return fail(methods.error());
  const bool open = std::ranges::find(*methods, std::byte{0}) != methods->end();
  auto chosen = co_await client.send_all(open ? std::string_view("\5\0", 2) : "\5\xff");
  if (chosen && !open) chosen = fail(Errc::protocol_error);
  co_return chosen;
}

// Where the client wants to go, or the answer when the proxy can't do what it wants.
using Target = std::expected<os::HostPort, Code>;

Task<Result<Target>> read_request(BufferedReader& in) {
  auto head = co_await in.read_exactly(4);
  if (!head) co_return fail(head.error());
  if (byte_at(*head, 0) != 5) co_return fail(Errc::protocol_error);
  const bool is_connect = byte_at(*head, 1) == 1;
  const auto type = static_cast<Type>(byte_at(*head, 3));
  std::size_t size = type == ipv4 ? 4 : 16;
  if (type == name) {
    auto length = co_await in.read_exactly(1);
    if (!length) co_return fail(length.error());
    size = byte_at(*length, 0);
  } else if (type != ipv4 && type != ipv6) {
    co_return Target(std::unexpect, is_connect ? no_type : no_command);
  }
  auto address = co_await in.read_exactly(size + 2);  // with the port
  if (!address) co_return fail(address.error());
  if (!is_connect) co_return Target(std::unexpect, no_command);
  co_return os::HostPort{host_text(type, address->first(size)), number_at(*address, size)};
}

// Connects to where the client wants to go, and answers it.
Task<Result<Stream>> open_way(Io& io, BufferedReader& in, Stream& client) {
  CancelScope patience(io, 30s);
  auto greeted = co_await greet(in, client);
  if (!greeted) co_return fail(greeted.error());
  auto target = co_await read_request(in);
  if (!target) co_return fail(target.error());
  Result<Stream> server = fail(Errc::protocol_error);
  Code code = *target ? succeeded : target->error();
  if (*target) {
    auto dialled = co_await connect(io, std::move(**target), deadline_after(io.now(), 15s));
    if (!dialled) code = code_for(dialled.error());
    server = std::move(dialled);
  }
  const auto bound = server ? server->local_address().value_or(os::Address()) : os::Address();
  auto sent = co_await client.send_all(reply_for(code, bound));
  if (!sent) co_return fail(sent.error());
  co_return server;
}

// One direction, until its end, which is passed on as well. False: it broke off.
Task<bool> pump(Io& io, BufferedReader& from, Stream& to, CancelScope& idle) {
  for (;;) {
    auto bytes = co_await from.read_some();
    if (!bytes) co_return false;
    if (bytes->empty()) co_return to.shutdown_send().has_value();
    auto sent = co_await to.send_all(*bytes);
    if (!sent) co_return false;
    idle.set_deadline(deadline_after(io.now(), idle_limit));
  }
}

// False: it broke off, or was silent for too long, so neither end has got everything.
Task<bool> relay(Io& io, BufferedReader& in, Stream& client, Stream& server) {
  BufferedReader back(server);
  CancelScope idle(io, idle_limit);
  bool whole = true;
  // Not in `both`, which may end before it.
  auto one_way = [&](TaskGroup& group, BufferedReader& from, Stream& to) -> Task<> {
    const bool ended = co_await pump(io, from, to, idle);
    if (ended) co_return;
    whole = false;
    group.cancel();  // the other way as well
  };
  auto both = [&](TaskGroup& group) -> Task<> {
    auto spawned = group.spawn([&] { return one_way(group, in, server); });
    whole = spawned.has_value();
    if (whole) co_await one_way(group, back, client);
  };
  co_await with_task_group(io, both);
  co_return whole;
}

Task<> serve_client(Io& io, Stream client) {
  client.keep_in_drain();  // an end that the server's stop makes must not be passed on
  BufferedReader in(client);
  auto server = co_await open_way(io, in, client);
  if (!server) {
    (void)co_await client.finish();  // so that the answer arrives
    co_return;
  }
  const bool whole = co_await relay(io, in, client, *server);
  if (whole) co_return;
  client.reset();  // so that neither takes what it got for all there is
  server->reset();
}

int main(int argc, char** argv) {
  if (argc > 4) idle_limit = std::chrono::seconds(std::atoi(argv[4]));
  return serve({.listen = argc > 1 ? argv[1] : "127.0.0.1:1080",
                .model = argc > 2 ? argv[2] : "auto",
                .architecture = argc > 3 ? argv[3] : ""},
               serve_client);
}
