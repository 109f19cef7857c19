// The upper-casing server, and a client that asks it, both over TLS with the handler of upper.cpp.
// upper_tls CERTIFICATE KEY [ADDRESS] serves; upper_tls ask AUTHORITY HOST:PORT asks.
#include <fmt/format.h>

#include <polyio/client/connect.hpp>
#include <polyio/drivers/registry.hpp>
#include <polyio/os/resolve.hpp>
#include <polyio/server/server.hpp>
#include <polyio/tls/tls.hpp>

using namespace polyio;

// Knows nothing of TLS.
Task<> upper(Io&, Stream stream) {
  for (;;) {
    auto chunk = co_await stream.receive();
    if (!chunk || chunk->empty()) co_return;
    for (std::byte& b : chunk->bytes()) {
      if (b >= std::byte{'a'} && b <= std::byte{'z'}) b ^= std::byte{0x20};
    }
    auto sent = co_await stream.send_all(chunk->bytes());
    if (!sent) co_return;
  }
}

Task<> ask(Io& io, std::string target, tls::ClientContext context) {
  auto stream = co_await connect(io, target);
  if (!stream) co_return fmt::print("can't connect: {}\n", stream.error().message());
  std::string why, host = os::parse_host_port(target)->host;
  auto secured = co_await tls::connect(*stream, context, host, std::chrono::seconds(10), &why);
  if (!secured) co_return fmt::print("no TLS: {}\n", why.empty() ? secured.error().message() : why);
  auto sent = co_await stream->send_all("hello\n");
  auto answer = co_await stream->receive();
  if (sent && answer) fmt::print("{}: {}", tls::info(*stream)->version, answer->text());
  (void)co_await stream->finish();
}

int main(int argc, char** argv) try {
  if (argc < 3) throw std::invalid_argument("upper_tls CERTIFICATE KEY [ADDRESS]");
  if (argc == 4 && argv[1] == std::string_view("ask")) {
    Io io(make_driver("auto").value());
    io.run(ask(io, argv[3], tls::ClientContext({.authorities = argv[2]})));
    return 0;
  }
  const tls::ServerContext context(tls::CertificateFiles{argv[1], argv[2]});
  return serve({.listen = argc > 3 ? argv[3] : "127.0.0.1:8443"}, tls::over(context, upper));
} catch (const std::exception& error) {
  fmt::print(stderr, "{}\n", error.what());
  return 1;
}
