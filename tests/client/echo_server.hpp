// An echo server on the Io of the test itself, which counts its connections and can hang up, speak
// unasked, stop and begin again on the same port.
#pragma once

#include <algorithm>
#include <vector>

#include <polyio/os/socket.hpp>

#include "exec/fixture.hpp"
#include "support/reserved_port.hpp"

namespace polyio::client_test {

using namespace exec_test;

class EchoServer {
  test::ReservedPort port_;

 public:
  EchoServer(Io& io, TaskGroup& group) : io_(io), group_(group) { start(); }
  void start() {
    listener_ = io_.listen(address, 128).value();
    EXPECT_TRUE(group_.spawn([&] { return accept(); }));
  }
  // No more is accepted, every connection ends, and the port is free: a model may close a little
  // later than close() was called.
  Task<> stop() {
    while (accepting_ || open > 0 || !os::listen_stream(address, 1, os::Blocking::no)) {
      // Also what has only begun, or was accepted at the last moment.
      if (accepting_) accepting_->cancel();
      hang_up();
      auto yielded = co_await io_.yield();
      (void)yielded;
    }
  }
  void hang_up() {
    for (Connection* one : connections_) one->scope.cancel();
  }
  // To the latest client. The answer to it may not have ended here yet, and only one send at a time
  // is allowed.
  Task<> say(std::string_view text) {
    Connection& last = *connections_.back();
    while (last.answering) (void)co_await io_.yield();
    auto sent = co_await last.stream.send_all(text);
    EXPECT_TRUE(sent);
  }

  const os::Address& address = port_.address;
  int accepted = 0, open = 0, peak = 0;

 private:
  struct Connection {
    Stream& stream;
    CancelScope scope;
    bool answering = false;
  };
  Task<> accept() {
    CancelScope scope(io_);
    accepting_ = &scope;
    for (;;) {
      auto stream = co_await listener_.accept();
      if (!stream) break;
      ++accepted;
      peak = std::max(peak, ++open);
      EXPECT_TRUE(group_.spawn([&] { return echo(std::move(*stream)); }));
    }
    listener_.close();
    accepting_ = nullptr;
  }
  Task<> echo(Stream stream) {
    Connection self{stream, CancelScope(io_)};
    connections_.push_back(&self);
    for (;;) {
      auto chunk = co_await stream.receive();
      if (!chunk || chunk->empty()) break;
      self.answering = true;
      auto sent = co_await stream.send_all(chunk->bytes());
      self.answering = false;
      if (!sent) break;
    }
    std::erase(connections_, &self);
    (void)stream.shutdown_send();  // at once; a close may take the model a turn
    stream.close();
    --open;
  }

  Io& io_;
  TaskGroup& group_;
  Listener listener_;
  CancelScope* accepting_ = nullptr;
  std::vector<Connection*> connections_;
};

// True when `text` came back.
inline Task<bool> exchange(Stream& stream, std::string text) {
  auto sent = co_await stream.send_all(text);
  if (!sent) co_return false;
  std::string back(text.size(), '\0');
  for (std::size_t have = 0; have < back.size();) {
    auto count =
        co_await stream.receive_into(std::as_writable_bytes(std::span(back)).subspan(have));
    if (!count || *count == 0) co_return false;
    have += *count;
  }
  co_return back == text;
}

}  // namespace polyio::client_test
