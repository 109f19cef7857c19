// Asio, callbacks: waits for readability, reads into one buffer for all, writes at once where the
// kernel takes it. Built a second time for Asio's io_uring back end.
#include <memory>

#include "asio.hpp"

namespace {

using asio::ip::tcp;
using Error = std::error_code;

class Session : public std::enable_shared_from_this<Session> {
 public:
  explicit Session(tcp::socket socket) : socket_(std::move(socket)) { socket_.non_blocking(true); }

  void start() {
    socket_.async_wait(tcp::socket::wait_read, [self = shared_from_this()](Error error) {
      if (!error) self->readable();
    });
  }

 private:
  void readable() {
    Error error;
    const std::size_t n =
        socket_.read_some(asio::buffer(bench::hot_buffer, bench::buffer_size), error);
    if (error == asio::error::would_block) return start();
    if (error) return;
    bench::upper(bench::hot_buffer, n);
    const std::size_t done = socket_.write_some(asio::buffer(bench::hot_buffer, n), error);
    if (error && error != asio::error::would_block) return;
    if (done == n) return start();
    pending_.assign(bench::hot_buffer + done, n - done);
    asio::async_write(socket_, asio::buffer(pending_),
                      [self = shared_from_this()](Error failed, std::size_t) {
                        self->pending_ = {};
                        if (!failed) self->start();
                      });
  }

  tcp::socket socket_;
  std::string pending_;
};

void accept(tcp::acceptor& acceptor) {
  acceptor.async_accept([&acceptor](Error error, tcp::socket socket) {
    if (!error) std::make_shared<Session>(std::move(socket))->start();
    accept(acceptor);
  });
}

}  // namespace

int main(int argc, char** argv) {
  return bench::serve_asio(argc, argv, ASIO_BACK_END,
                           [](asio::io_context&, tcp::acceptor& acceptor) { accept(acceptor); });
}
