// Stream and Listener: a connected and a listening socket of one Io. Move-only; closed when
// destroyed. At most one receive and one send may be in flight on a stream at a time, from the same
// or two tasks. Used by the tasks of their Io only.
#pragma once

#include <memory>
#include <polyio/coro/task.hpp>
#include <polyio/io/stream_layer.hpp>
#include <span>

namespace polyio {

class Stream : public SocketBase {
  template <class Operation, class... Arguments>
  auto operation(Arguments... arguments) noexcept {
    return detail::Layered<Operation>(layer_.get(), io(), handle_, arguments...);
  }

 public:
  using SocketBase::SocketBase;
  Stream(Stream&& other) noexcept = default;
  Stream& operator=(Stream&& other) noexcept {
    layer_.swap(other.layer_);
    SocketBase::operator=(std::move(other));
    return *this;
  }
  ~Stream() { close(); }

  // `auto chunk = co_await stream.receive();` — Result<Lease>: the bytes that are there, at least
  // one; empty when the peer has finished. Errors: ECONNRESET …, those of the scope.
  auto receive() noexcept { return operation<detail::LeaseAwaiter>(); }
  // `auto count = co_await stream.receive_into(room);` — Result<std::size_t>: bytes received, 0 at
  // the end.
  auto receive_into(std::span<std::byte> room) noexcept {
    return operation<detail::IntoAwaiter>(room);
  }
  // `auto sent = co_await stream.send_all(bytes);` — Result<>: all of it is with the kernel. On an
  // error, a part of it may be. The bytes stay valid until then.
  auto send_all(std::span<const std::byte> bytes) noexcept {
    return operation<detail::SendAwaiter>(bytes);
  }
  auto send_all(std::string_view text) noexcept { return send_all(std::as_bytes(std::span(text))); }
  // Several parts with one system call where the kernel takes them; at most IOV_MAX (1,024).
  auto send_all(std::span<const Part> parts) noexcept {
    return operation<detail::PartsAwaiter>(parts);
  }
  // True when nothing has arrived that was not received: no byte, no end, no error. Looks without
  // waiting; for a connection that is not in use, where whatever arrives says that it is over.
  bool quiet() const { return (!layer_ || layer_->quiet()) && io().quiet(handle_); }
  // Tells the peer that no more will come; receiving goes on.
  Result<> shutdown_send() {
    if (layer_) return layer_->shutdown_send(bare());
    return io().driver().shutdown(handle_, SHUT_WR);
  }
  // `auto finished = co_await stream.finish();` — Result<>: ends the connection so that the peer
  // gets everything that was sent. Ends the sending side, then receives and drops what the peer
  // still sends (a close with bytes unread would reset the connection and lose what is on its way)
  // until it ends too. Then the stream is closed, as after an error: timed_out after `patience`,
  // EMSGSIZE when more than `most` bytes came, those of receive(). No other operation is in flight.
  Task<Result<>> finish(Nanoseconds patience = std::chrono::seconds(2),
                        std::size_t most = 256 * 1024);
  // Closes now; no task may be waiting on it. A second call does nothing. What it carries may keep
  // the socket for a while, until the peer has got what was sent.
  void close() noexcept {
    if (layer_) [[unlikely]]
      end_layer();
    SocketBase::close();
  }
  // Closes now, and the peer sees ECONNRESET instead of an end: what it got is not all.
  void reset() noexcept;
  // What a drain of the Io means here, from the next operation on. A connection that was accepted
  // is not kept: a receive that waits sees the end of file, as if the client had nothing more to
  // ask. One that a handler has opened or adopted is kept: its receives go on until they are
  // cancelled, when the drain time is over. A handler that passes on what it does not understand,
  // as a proxy does, keeps its client's connection too, or would pass on an end that the client
  // never made.
  void keep_in_drain(bool keep = true) noexcept { handle_.kept_in_drain = keep; }
  // From now on everything goes through `layer`, as tls::accept and tls::connect have it. No
  // operation is in flight.
  void carry(std::unique_ptr<StreamLayer> layer) noexcept { layer_ = std::move(layer); }
  BareSocket bare() const noexcept { return {io(), handle_}; }
  // What it carries; nullptr: nothing.
  const StreamLayer* layer() const noexcept { return layer_.get(); }
  // Gives the socket away, for another Io; the stream is empty then. Errors, after which the socket
  // is closed: EBUSY where a receive has begun and the model (io_uring, posix-aio) may have one
  // under way; EOPNOTSUPP where it carries a layer.
  Result<os::UniqueFd> release() {
    if (layer_) {
      close();
      return fail(EOPNOTSUPP);
    }
    Io& owner = io();
    io_ = nullptr;
    return owner.release(handle_);
  }

 private:
  void end_layer() noexcept;
  std::unique_ptr<StreamLayer> layer_;
};

class Listener : public SocketBase {
 public:
  using SocketBase::SocketBase;
  // `auto stream = co_await listener.accept();` — Result<Stream>. Errors: EMFILE, ENFILE, ENOBUFS,
  // ENOMEM (try again later, the connection is still queued), ECONNABORTED (go on), those of the
  // scope.
  auto accept() noexcept { return AcceptAwaiter(io(), handle_); }
  // The same as a bare socket — Result<os::UniqueFd> —, for whichever Io of this model is going to
  // serve it: Io::adopt.
  auto accept_socket() noexcept { return SocketAwaiter(io(), handle_); }
  // No further connection shall come. True: accept() until it fails hands out those that the model
  // (io_uring) has accepted already.
  bool stop_accepting() noexcept { return io().stop_accepting(handle_); }

 private:
  class SocketAwaiter : public OpAwaiter {
   public:
    SocketAwaiter(Io& io, Handle handle) noexcept : OpAwaiter(io), handle_(handle) {}
    bool await_ready() { return io_->begin(io_->prepare(OpKind::accept, handle_)); }
    Result<os::UniqueFd> await_resume() noexcept {
      const std::int64_t result = io_->current().result;
      if (result < 0) return fail(static_cast<int>(-result));
      return os::UniqueFd(static_cast<int>(result));
    }

   private:
    Handle handle_;
  };

  class AcceptAwaiter : public SocketAwaiter {
   public:
    using SocketAwaiter::SocketAwaiter;
    Result<Stream> await_resume() {
      auto socket = SocketAwaiter::await_resume();
      if (!socket) return fail(socket.error());
      auto handle = io_->driver().adopt(socket->release());
      if (!handle) return fail(handle.error());
      return Stream(*io_, *handle);
    }
  };
};

}  // namespace polyio
