// Conversation: what `polyio connect` does once it is connected. Peer is the connection with what
// is still to be sent; relay() is the conversation in pipes, talk() a person's on a terminal. Both
// wait with a PollSelector, which takes regular files as input too.
#pragma once

#include <fmt/format.h>

#include <optional>
#include <polyio/os/socket.hpp>
#include <polyio/selectors/poll_selector.hpp>
#include <string>
#include <string_view>
#include <utility>

namespace polyio::app {

inline constexpr int standard_input = 0;
inline constexpr int standard_output = 1;
inline constexpr std::size_t chunk_size = 64 * 1024;

// Standard input to the server and the server to standard output, both at once, until the server
// closes. Bytes are not changed, except for a terminal. A stream that is closed counts as empty.
// Returns the exit code.
int relay(os::UniqueFd socket, bool input_open, bool output_open);

// Lines typed at a prompt to the server called `target`; what it sends appears above the prompt.
// Returns the exit code: 0, 1 when the connection broke, 128 + n after signal n.
int talk(os::UniqueFd socket, const std::string& target);

// Tells why on stderr; returns the exit code.
inline int give_up(std::string_view why) {
  fmt::print(stderr, "polyio connect: {}\n", why);
  return 1;
}

inline int connection_broke(std::error_code error) {
  return give_up("the connection broke: " + error.message());
}

// Waits for `events` of `fd`, or for nothing.
inline void watch(Selector& selector, int fd, Events events) {
  if (events == 0) {
    (void)selector.unregister(fd);
  } else if (selector.get_key(fd)) {
    (void)selector.modify(fd, events, 0);
  } else {
    (void)selector.register_fd(fd, events);
  }
}

// The connection, and what is still to be sent on it.
class Peer {
 public:
  explicit Peer(os::UniqueFd socket) : socket_(std::move(socket)) {}

  int fd() const noexcept { return socket_.get(); }
  bool idle() const noexcept { return out_.empty(); }
  std::size_t waiting() const noexcept { return out_.size(); }
  // The server takes nothing any more, and something was left.
  bool cut() const noexcept { return cut_; }
  void push(std::string_view bytes) {
    if (!cut_) out_ += bytes;
  }
  // Once all has been sent, tells the server that no more comes.
  void end() noexcept { ending_ = true; }
  bool wants_to_write() const noexcept { return !out_.empty() || (ending_ && !ended_); }

  void write() {
    while (!out_.empty()) {
      const iovec part{out_.data(), out_.size()};
      const auto sent = os::send(socket_.get(), std::span(&part, 1));
      if (!sent && sent.error() == std::errc::resource_unavailable_try_again) return;
      if (!sent) {  // why is what receiving tells; it may have said something before
        cut_ = true;
        out_.clear();
        break;
      }
      out_.erase(0, *sent);
    }
    if (ending_ && !std::exchange(ended_, true)) (void)os::shutdown(socket_.get(), SHUT_WR);
  }

  // The bytes that came into `room`; nothing: none yet; empty: the server has closed.
  Result<std::optional<std::string_view>> read(std::span<std::byte> room) {
    const auto count = os::receive(socket_.get(), room);
    if (!count && count.error() == std::errc::resource_unavailable_try_again) return std::nullopt;
    if (!count) return fail(count.error());
    return std::string_view(reinterpret_cast<const char*>(room.data()), *count);
  }

 private:
  os::UniqueFd socket_;
  std::string out_;
  bool ending_ = false, ended_ = false, cut_ = false;
};

}  // namespace polyio::app
