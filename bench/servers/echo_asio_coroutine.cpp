// Asio, C++20 coroutines: waits for readability, reads into one buffer for all, async_write for
// what the kernel does not take at once.
#include "asio.hpp"

namespace {

using asio::awaitable;
using asio::use_awaitable;
using asio::ip::tcp;

awaitable<void> serve(tcp::socket socket) try {
  socket.non_blocking(true);
  for (;;) {
    co_await socket.async_wait(tcp::socket::wait_read, use_awaitable);
    std::error_code error;
    const std::size_t n =
        socket.read_some(asio::buffer(bench::hot_buffer, bench::buffer_size), error);
    if (error == asio::error::would_block) continue;
    if (error) co_return;
    bench::upper(bench::hot_buffer, n);
    const std::size_t done = socket.write_some(asio::buffer(bench::hot_buffer, n), error);
    if (error && error != asio::error::would_block) co_return;
    if (done == n) continue;
    const std::string pending(bench::hot_buffer + done, n - done);
    co_await asio::async_write(socket, asio::buffer(pending), use_awaitable);
  }
} catch (const std::system_error&) {  // the connection is gone
}

awaitable<void> accept(tcp::acceptor& acceptor) {
  for (;;) {
    tcp::socket socket = co_await acceptor.async_accept(use_awaitable);
    co_spawn(acceptor.get_executor(), serve(std::move(socket)), asio::detached);
  }
}

}  // namespace

int main(int argc, char** argv) {
  return bench::serve_asio(argc, argv, "Asio coroutine, echo",
                           [](asio::io_context& context, tcp::acceptor& acceptor) {
                             co_spawn(context, accept(acceptor), asio::detached);
                           });
}
