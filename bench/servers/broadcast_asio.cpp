// Asio broadcast: a receiver's lines are collected while a write is under way, and leave in one.
#include <algorithm>
#include <memory>
#include <vector>

#include "asio.hpp"

namespace {

using asio::ip::tcp;
using Error = std::error_code;

class Session;
std::vector<std::shared_ptr<Session>> room;

class Session : public std::enable_shared_from_this<Session> {
 public:
  explicit Session(tcp::socket socket) : socket_(std::move(socket)) {}

  void start() {
    asio::async_read_until(socket_, asio::dynamic_buffer(input_, 65536), '\n',
                           [self = shared_from_this()](Error error, std::size_t) {
                             if (error) return self->leave();
                             self->say();
                             self->start();
                           });
  }

 private:
  // All whole lines there are, to all clients.
  void say() {
    const std::size_t end = input_.rfind('\n') + 1;
    const std::string lines = input_.substr(0, end);
    input_.erase(0, end);
    for (const auto& session : room) session->deliver(lines);
  }

  void deliver(const std::string& lines) {
    queued_ += lines;
    if (writing_.empty()) write();
  }

  void write() {
    writing_.swap(queued_);
    asio::async_write(socket_, asio::buffer(writing_),
                      [self = shared_from_this()](Error error, std::size_t) {
                        self->writing_.clear();
                        if (error) return self->leave();
                        if (!self->queued_.empty()) self->write();
                      });
  }

  void leave() {
    socket_.close();
    std::erase(room, shared_from_this());
  }

  tcp::socket socket_;
  std::string input_, queued_, writing_;
};

void accept(tcp::acceptor& acceptor) {
  acceptor.async_accept([&acceptor](Error error, tcp::socket socket) {
    if (!error) room.push_back(std::make_shared<Session>(std::move(socket)));
    if (!error) room.back()->start();
    accept(acceptor);
  });
}

}  // namespace

int main(int argc, char** argv) {
  return bench::serve_asio(argc, argv, "Asio callback, broadcast",
                           [](asio::io_context&, tcp::acceptor& acceptor) { accept(acceptor); });
}
