#include <array>
#include <memory>
#include <polyio/os/file.hpp>

#include "conversation.hpp"
#include "terminal.hpp"

namespace polyio::app {
namespace {

constexpr std::size_t pipe_piece = 4096;  // what a pipe that poll(2) calls writable takes at once

class Relay {
 public:
  explicit Relay(os::UniqueFd socket, bool input_open, bool output_open)
      : peer_(std::move(socket)), input_open_(input_open), output_open_(output_open) {
    if (!input_open_) peer_.end();
  }

  int run() {
    while (!closed_ || !pending_.empty()) {
      watch(selector_, standard_input, input_open_ && peer_.idle() ? event_read : 0);
      watch(selector_, standard_output, pending_.empty() ? 0 : event_write);
      Events wanted = peer_.wants_to_write() ? event_write : 0;
      if (pending_.empty()) wanted |= event_read;
      watch(selector_, peer_.fd(), closed_ ? 0 : wanted);
      const auto events = selector_.select();
      if (!events) return give_up(events.error().message());
      for (const SelectorEvent& event : *events) {
        if (const auto code = handle(event)) return *code;
      }
    }
    if (error_) return connection_broke(error_);
    if (peer_.cut() || !peer_.idle()) {
      return give_up("the server closed the connection before it had taken everything");
    }
    return 0;
  }

 private:
  std::optional<int> handle(const SelectorEvent& event) {
    if (event.key.fd == standard_input && input_open_) {
      read_input();
    } else if (event.key.fd == standard_output && !pending_.empty()) {
      return write_output();
    } else {
      if (event.mask & event_write) peer_.write();
      if ((event.mask & event_read) && pending_.empty() && !closed_) read_peer();
    }
    return std::nullopt;
  }

  void read_input() {
    const auto count = os::read(standard_input, room_);
    if (!count && count.error() == std::errc::resource_unavailable_try_again) return;
    if (count.value_or(0) == 0) {
      input_open_ = false;
      return peer_.end();
    }
    peer_.push({reinterpret_cast<const char*>(room_.data()), *count});
  }

  void read_peer() {
    const auto bytes = peer_.read(room_);
    if (bytes && !*bytes) return;
    if (!bytes) error_ = bytes.error();
    closed_ = !bytes || (*bytes)->empty();
    if (!output_open_) return;
    if (!to_terminal_) {
      if (!closed_) pending_ = **bytes;
    } else {
      pending_ = closed_ ? printable_.finish() : printable_.take(**bytes);
    }
  }

  std::optional<int> write_output() {
    const std::string_view piece = std::string_view(pending_).substr(written_, pipe_piece);
    const auto written = os::write_all(standard_output, std::as_bytes(std::span(piece)));
    if (!written && written.error() == std::errc::resource_unavailable_try_again) {
      return std::nullopt;
    }
    if (!written) return give_up("can't write the output: " + written.error().message());
    written_ += piece.size();
    if (written_ == pending_.size()) {
      pending_.clear();
      written_ = 0;
    }
    return std::nullopt;
  }

  PollSelector selector_;
  Peer peer_;
  Printable printable_;
  const bool to_terminal_ = os::is_terminal(standard_output);
  bool input_open_, output_open_;
  bool closed_ = false;  // the server's side
  std::error_code error_;
  std::string pending_;  // for standard output, from written_ on
  std::size_t written_ = 0;
  std::array<std::byte, chunk_size> room_;
};

}  // namespace

int relay(os::UniqueFd socket, bool input_open, bool output_open) {
  return std::make_unique<Relay>(std::move(socket), input_open, output_open)->run();
}

}  // namespace polyio::app
