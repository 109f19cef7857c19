// Layer: the TLS of one Stream. OpenSSL reads ciphertext from the lease that the socket's receive
// gave and appends what is to be sent to a vector; it never touches the socket. The rules: one send
// on the socket at a time, by whichever task has something to send. What a receive, a shutdown or a
// close has to say (alerts, close_notify) waits for nothing: what the socket does not take at once
// is tried again by a timer, after the stream's end too. Plaintext is lent in a buffer as large as
// what has come, which keeps the socket's lease, so what holds for leases holds for it; an idle
// connection has neither.
#pragma once

#include <polyio/io/stream.hpp>
#include <polyio/sync/mutex.hpp>
#include <polyio/tls/context.hpp>
#include <string>
#include <vector>

#include "openssl.hpp"

namespace polyio::tls {

class Layer final : public StreamLayer, private Timer {
 public:
  // Throws std::bad_alloc. `first`: bytes received before; `kept` lives as long as the layer.
  Layer(SSL_CTX& context, std::string_view first, std::shared_ptr<const void> kept = {});
  ~Layer() override;

  SSL* ssl() const noexcept { return ssl_.get(); }
  // Errors: those of accept() and connect().
  Task<Result<>> handshake(BareSocket socket);

  Task<Result<Lease>> receive(BareSocket socket) override;
  Task<Result<std::size_t>> receive_into(BareSocket socket, std::span<std::byte> room) override;
  Task<Result<>> send_all(BareSocket socket, std::span<const Part> parts) override;
  Result<> shutdown_send(BareSocket socket) override;
  bool quiet() const noexcept override { return unread_.empty() && SSL_has_pending(ssl()) == 0; }
  void close(std::unique_ptr<StreamLayer> self, BareSocket socket) noexcept override;

  // --- for OpenSSL's BIO ---
  std::size_t take_input(std::span<std::byte> room) noexcept;
  bool add_output(std::span<const std::byte> bytes) noexcept;

 private:
  class Rest;
  Result<std::size_t> read(std::span<std::byte> room);
  Result<Lease> read_lease();
  Result<> encrypt(Rest& rest);
  Task<Result<bool>> fetch(BareSocket socket);
  Task<Result<>> turn(Io& io);
  Task<Result<bool>> step(Io& io);
  bool say_now() noexcept;
  void say(BareSocket socket) noexcept;
  void say_again() noexcept;

  const std::shared_ptr<const void> kept_;
  std::string first_;
  std::shared_ptr<Lease> received_;    // ciphertext
  std::span<const std::byte> unread_;  // the part of it, or of first_, that OpenSSL has not taken
  std::size_t partial_ = 0;            // taken, of a record that is not whole yet
  std::vector<std::byte> out_;         // ciphertext to be sent
  Mutex sending_;                      // whose holder empties out_
  bool in_send_ = false;               // and waits for the socket
  bool ending_ = false;                // shutdown_send() was called
  bool cut_ = false;                   // a send failed: a record may be half sent
  unsigned reads_ = 0;                 // of what was there already, since the last wait
  std::error_code failure_;            // of receiving, for good
  // Where the timer sends what is left, and since when it tries.
  Io* io_ = nullptr;
  Handle socket_;
  TimePoint began_{};
  bool closing_ = false;  // the stream has ended: the socket is closed with this
  Ssl ssl_;
};

// Layers whose stream has ended, and which have something to say to their peer. False: there is no
// memory for it, and it is gone.
bool keep_closing(Io& io, std::unique_ptr<StreamLayer> layer) noexcept;
void forget_closing(Io& io, const StreamLayer& layer) noexcept;

}  // namespace polyio::tls
