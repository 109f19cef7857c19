// Asio's ssl::stream: an echo server in upper case with coroutines. echo_asio_tls PORT CERT KEY
#include <algorithm>
#include <array>
#include <asio.hpp>
#include <asio/ssl.hpp>
#include <cstdio>
#include <cstdlib>

using asio::ip::tcp;
using Secure = asio::ssl::stream<tcp::socket>;

static asio::awaitable<void> serve(Secure stream) try {
  co_await stream.async_handshake(asio::ssl::stream_base::server, asio::use_awaitable);
  std::array<char, 16 * 1024> room;
  for (;;) {
    const auto count = co_await stream.async_read_some(asio::buffer(room), asio::use_awaitable);
    std::transform(room.begin(), room.begin() + static_cast<std::ptrdiff_t>(count), room.begin(),
                   [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c ^ 0x20) : c; });
    co_await asio::async_write(stream, asio::buffer(room, count), asio::use_awaitable);
  }
} catch (const std::exception&) {  // the client has gone
}

static asio::awaitable<void> accept_all(tcp::acceptor& acceptor, asio::ssl::context& context) {
  for (;;) {
    tcp::socket socket = co_await acceptor.async_accept(asio::use_awaitable);
    socket.set_option(tcp::no_delay(true));
    co_spawn(acceptor.get_executor(), serve(Secure(std::move(socket), context)), asio::detached);
  }
}

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  asio::io_context io(1);
  asio::ssl::context context(asio::ssl::context::tls_server);
  context.use_certificate_chain_file(argv[2]);
  context.use_private_key_file(argv[3], asio::ssl::context::pem);
  const auto port = static_cast<unsigned short>(std::atoi(argv[1]));
  tcp::acceptor acceptor(io, {asio::ip::address_v4::loopback(), port});
  std::printf("listening on 127.0.0.1:%d (Asio, ssl::stream)\n", acceptor.local_endpoint().port());
  std::fflush(stdout);
  co_spawn(io, accept_all(acceptor, context), asio::detached);
  io.run();
}
