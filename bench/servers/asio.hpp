// What the Asio servers share: a context without locks, for one thread, and the listening socket.
#pragma once

#include <asio.hpp>

#include "common.hpp"

namespace bench {

using asio::ip::tcp;

inline int serve_asio(int argc, char** argv, const char* name,
                      void (*start)(asio::io_context&, tcp::acceptor&)) {
  const int fd = listen_here(argc, argv, name);
  asio::io_context context(ASIO_CONCURRENCY_HINT_UNSAFE);
  tcp::acceptor acceptor(context, tcp::v4(), fd);
  start(context, acceptor);
  context.run();
  return 0;
}

}  // namespace bench
