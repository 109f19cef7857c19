// StreamLayer: what a Stream can carry between its user and its socket, as room tls does. The rule:
// the user's operations mean the same as without it. Operations come one receive and one send at a
// time, from the same or two tasks of the stream's Io.
#pragma once

#include <memory>
#include <polyio/coro/task.hpp>
#include <polyio/io/lease.hpp>
#include <polyio/io/socket_base.hpp>
#include <span>

namespace polyio {

namespace detail {
class LeaseAwaiter;
class SendAwaiter;
}  // namespace detail

// A stream's socket as its layer sees it: the operations are Stream's without the layer. Owns
// nothing.
class BareSocket {
 public:
  BareSocket(Io& io, Handle handle) noexcept : io_(&io), handle_(handle) {}
  Io& io() const noexcept { return *io_; }
  Handle handle() const noexcept { return handle_; }
  detail::LeaseAwaiter receive() const noexcept;
  detail::SendAwaiter send_all(std::span<const std::byte> bytes) const noexcept;

 private:
  Io* io_;
  Handle handle_;
};

class StreamLayer {
 public:
  virtual ~StreamLayer() = default;
  // As Stream's, over `socket`, which is the stream's own.
  virtual Task<Result<Lease>> receive(BareSocket socket) = 0;
  virtual Task<Result<std::size_t>> receive_into(BareSocket socket, std::span<std::byte> room) = 0;
  virtual Task<Result<>> send_all(BareSocket socket, std::span<const Part> parts) = 0;
  virtual Result<> shutdown_send(BareSocket socket) = 0;
  // False: bytes have come off the socket that no receive has given.
  virtual bool quiet() const noexcept = 0;
  // The end of the stream, whose socket is the layer's to close now: once the peer has been given
  // what it must have, which may be later. `self` is this layer.
  virtual void close(std::unique_ptr<StreamLayer> self, BareSocket socket) noexcept = 0;
};

namespace detail {

class LeaseAwaiter : public OpAwaiter {
 public:
  LeaseAwaiter(Io& io, Handle handle) noexcept : OpAwaiter(io), handle_(handle) {}
  bool await_ready() {
    Op& op = io_->prepare(OpKind::receive, handle_);
    op.leases = true;
    op.lender = nullptr;
    return io_->begin(op);
  }
  Result<Lease> await_resume() noexcept {
    const Op& op = io_->current();
    if (op.result < 0) return fail(static_cast<int>(-op.result));
    if (op.result == 0) return Lease();
    Lender& lender = op.lender ? *op.lender : io_->driver();
    return Lease(lender, op.data, static_cast<std::uint32_t>(op.result), op.buffer);
  }
  Task<Result<Lease>> through(StreamLayer& layer) { return layer.receive({*io_, handle_}); }

 private:
  Handle handle_;
};

class IntoAwaiter : public OpAwaiter {
 public:
  IntoAwaiter(Io& io, Handle handle, std::span<std::byte> room) noexcept
      : OpAwaiter(io), handle_(handle), room_(room) {}
  bool await_ready() {
    Op& op = io_->prepare(OpKind::receive, handle_);
    op.data = room_.data();
    op.size = room_.size();
    return io_->begin(op);
  }
  Result<std::size_t> await_resume() noexcept {
    const std::int64_t result = io_->current().result;
    if (result < 0) return fail(static_cast<int>(-result));
    return static_cast<std::size_t>(result);
  }
  Task<Result<std::size_t>> through(StreamLayer& layer) {
    return layer.receive_into({*io_, handle_}, room_);
  }

 private:
  Handle handle_;
  std::span<std::byte> room_;
};

class PartsAwaiter : public OpAwaiter {
 public:
  PartsAwaiter(Io& io, Handle handle, std::span<const Part> parts) noexcept
      : OpAwaiter(io), handle_(handle), parts_(parts) {}
  bool await_ready() { return start(parts_); }
  Result<> await_resume() noexcept { return outcome(); }
  Task<Result<>> through(StreamLayer& layer) { return layer.send_all({*io_, handle_}, parts_); }

 protected:
  bool start(std::span<const Part> parts) {
    Op& op = io_->prepare(OpKind::send, handle_);
    op.parts = parts.data();
    op.size = parts.size();
    return io_->begin(op);
  }
  Handle handle_;
  std::span<const Part> parts_;
};

class SendAwaiter : public PartsAwaiter {
 public:
  SendAwaiter(Io& io, Handle handle, std::span<const std::byte> bytes) noexcept
      : PartsAwaiter(io, handle, {}), part_(bytes) {}
  bool await_ready() { return start({&part_, 1}); }
  Task<Result<>> through(StreamLayer& layer) {
    return layer.send_all({*io_, handle_}, {&part_, 1});
  }

 private:
  Part part_;
};

// The same of a Stream: on its socket, or through the layer that it carries, in a task of its own.
template <class Plain>
class [[nodiscard]] Layered : public Plain {
 public:
  template <class... Arguments>
  explicit Layered(StreamLayer* layer, Arguments&&... arguments) noexcept
      : Plain(std::forward<Arguments>(arguments)...), layer_(layer) {}
  ~Layered() {}  // leave() has taken the task
  bool await_ready() {
    if (layer_) [[unlikely]]
      return enter();
    return Plain::await_ready();
  }
  void await_suspend(std::coroutine_handle<> caller) noexcept {
    if (layer_) [[unlikely]]
      return work_.handle().promise().set_continuation(caller);
    Plain::await_suspend(caller);
  }
  auto await_resume() {
    if (layer_) [[unlikely]]
      return leave();
    return Plain::await_resume();
  }

 private:
  using Work = decltype(std::declval<Plain&>().through(std::declval<StreamLayer&>()));

  // Runs the task until it waits; true: it has ended.
  [[gnu::noinline]] bool enter() {
    std::construct_at(&work_);
    try {
      work_ = this->through(*layer_);
    } catch (const std::bad_alloc&) {
      return true;
    }
    work_.handle().resume();
    return work_.done();
  }
  [[gnu::noinline]] auto leave() -> decltype(std::declval<Work&>().take()) try {
    Work work = std::move(work_);  // which is empty then
    if (work) return work.take();
    return fail(ENOMEM);
  } catch (const std::bad_alloc&) {
    return fail(ENOMEM);
  }

  StreamLayer* layer_;
  union {
    Work work_;  // from enter() to leave()
  };
};

}  // namespace detail

inline detail::LeaseAwaiter BareSocket::receive() const noexcept {
  return detail::LeaseAwaiter(*io_, handle_);
}
inline detail::SendAwaiter BareSocket::send_all(std::span<const std::byte> bytes) const noexcept {
  return detail::SendAwaiter(*io_, handle_, bytes);
}

}  // namespace polyio
