// Pipe: two connected ends for messages between two processes, Python's multiprocessing.Pipe. A
// message is bytes, or a value as room serial writes it, and arrives whole or not at all; a
// Connection itself can be an argument of a Process and a message too. The rule: the end of file
// comes when the other end is closed in all processes, and a fork copies both; so move the end
// that the child needs into it, and close() what a process does not use.
#pragma once

#include <cstdint>
#include <polyio/base/clock.hpp>
#include <polyio/os/unique_fd.hpp>
#include <polyio/process/error.hpp>
#include <polyio/serial/serial.hpp>
#include <span>
#include <utility>
#include <vector>

namespace polyio::process {

// For one thread of one process at a time in each direction: messages of two that send on the same
// end would mix (room ipc's Queue is for many).
class Connection {
 public:
  // A larger message is refused, by the sender and by the receiver: EMSGSIZE.
  static constexpr std::size_t max_message = std::size_t{256} << 20;

  Connection() = default;
  explicit Connection(os::UniqueFd socket) noexcept : socket_(std::move(socket)) {}

  // Waits while the peer does not read. Errors: timed_out, after which nothing more can be sent if
  // a part of this message has gone (EPIPE then); EPIPE, the other end is closed everywhere;
  // EMSGSIZE; EBADF, it is closed. Raises no SIGPIPE.
  Result<> send_bytes(std::span<const std::byte> message, Deadline deadline = never);
  // The next message. Errors: timed_out, which loses nothing; Errc::end_of_file, the other end is
  // closed everywhere; ECONNRESET, its last holder died in the middle of a message;
  // Errc::protocol_error, this is no message, and EBADF.
  Result<std::vector<std::byte>> receive_bytes(Deadline deadline = never);

  template <class T>
  Result<> send(const T& value, Deadline deadline = never) {
    serial::require_serialisable<T>();
    std::vector<std::byte> bytes;
    std::vector<int> descriptors;
    serial::Writer writer(bytes, &descriptors);
    writer(value);
    return send_message(bytes, descriptors, deadline);
  }
  // Errc::protocol_error also for a message that is no T.
  template <class T>
  Result<T> receive(Deadline deadline = never) {
    serial::require_serialisable<T>();
    auto message = receive_message(deadline);
    if (!message) return fail(message.error());
    serial::Reader reader(message->bytes, message->descriptors);
    return serial::read_all(reader, [](serial::Reader& from) {
      T value;
      from(value);
      return value;
    });
  }

  // Would a receive find something: a message that begins, or the end of file? false: not until the
  // deadline.
  Result<bool> poll(Deadline deadline = {});
  // For a Selector or a loop; -1: closed.
  int fileno() const noexcept { return socket_.get(); }
  void close() noexcept { socket_.reset(); }

  // Sends the descriptor beside the bytes.
  void save(serial::Writer& writer) const { writer.add_descriptor(socket_.get()); }
  void load(serial::Reader& reader) { socket_.reset(reader.take_descriptor()); }

 private:
  struct Header {
    std::uint32_t size, descriptors;
  };
  struct Message {
    Header header{};
    std::size_t got = 0;  // bytes, the header's included
    std::vector<std::byte> bytes;
    std::vector<int> descriptors;  // owned: those not taken out are closed
    Message() = default;
    Message(Message&& other) noexcept { swap(other); }
    Message& operator=(Message&& other) noexcept {
      swap(other);
      return *this;
    }
    ~Message();
    void swap(Message& other) noexcept;
  };
  Result<> send_message(std::span<const std::byte> bytes, std::span<const int> descriptors,
                        Deadline deadline);
  Result<Message> receive_message(Deadline deadline);
  Result<> send_part(std::span<const std::byte> bytes, std::span<const int> descriptors,
                     Deadline deadline);
  Result<std::size_t> receive_part(std::span<std::byte> into, Deadline deadline);
  // Until the socket is ready for `events`.
  Result<> wait(short events, Deadline deadline) const;

  os::UniqueFd socket_;
  Message partial_;   // what has come of the next message
  bool cut_ = false;  // a part of a message has been sent, and its rest never will be
};

struct Pipe {
  Connection first, second;
};
// Both ends send and receive. Errors: EMFILE, ENFILE.
Result<Pipe> make_pipe();

}  // namespace polyio::process
