// The tutorials' interactive client: asks for a line, sends it without its newline, shows the
// answer. Example: upper_client 127.0.0.1:8080
#include <array>
#include <iostream>
#include <polyio/os/socket.hpp>
#include <string>

using namespace polyio;

int main(int argc, char** argv) {
  auto address = os::Address::parse(argc > 1 ? argv[1] : "127.0.0.1:8080");
  if (!address) return 2;
  auto socket = os::stream_socket(address->family(), os::Blocking::yes);
  if (!socket || !os::start_connect(socket->get(), *address)) return 1;
  for (std::string line; std::cout << ">>: " << std::flush, std::getline(std::cin, line);) {
    if (line.empty()) continue;
    for (std::size_t sent = 0; sent < line.size();) {
      const iovec rest{line.data() + sent, line.size() - sent};
      auto count = os::send(socket->get(), std::span(&rest, 1));
      if (!count) return 1;
      sent += *count;
    }
    std::array<std::byte, 1024> bytes;
    auto size = os::receive(socket->get(), bytes);
    if (!size || *size == 0) return 1;  // the server has gone
    std::cout.write(reinterpret_cast<const char*>(bytes.data()), std::streamsize(*size)) << '\n';
  }
}
