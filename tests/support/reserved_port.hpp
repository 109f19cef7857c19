// A port that no other process can get: bound for the object's life, but not listening.
#pragma once

#include <sys/socket.h>

#include <cerrno>
#include <system_error>

#include <polyio/os/socket.hpp>

namespace polyio::test {

// It refuses connections until the test listens on `address`; a port that was only closed may be
// another process's by the next connect(). Whoever listens there sets SO_REUSEADDR, as
// os::listen_stream does, and is the only one to listen.
class ReservedPort {
 public:
  explicit ReservedPort(const char* host = "127.0.0.1:0") {
    const os::Address any = os::Address::parse(host).value();
    socket_ = os::stream_socket(any.family(), os::Blocking::no).value();
    const int on = 1;
    if (::setsockopt(socket_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        ::bind(socket_.get(), any.data(), any.size()) != 0) {
      throw std::system_error(errno, std::generic_category(), host);
    }
    address = os::local_address(socket_.get()).value();
  }
  os::Address address;

 private:
  os::UniqueFd socket_;
};

}  // namespace polyio::test
