#include <polyio/io/cancel_scope.hpp>
#include <polyio/io/datagram.hpp>
#include <polyio/io/stream.hpp>
#include <polyio/os/descriptor.hpp>
#include <polyio/os/signals.hpp>

namespace polyio {
namespace {

class ConnectAwaiter : public OpAwaiter {
 public:
  ConnectAwaiter(Io& io, Handle handle, const os::Address& address) noexcept
      : OpAwaiter(io), handle_(handle), address_(&address) {}
  bool await_ready() {
    Op& op = io_->prepare(OpKind::connect, handle_);
    op.address = address_;
    return io_->begin(op);
  }
  Result<> await_resume() noexcept { return outcome(); }

 private:
  Handle handle_;
  const os::Address* address_;
};

}  // namespace

Result<Listener> Io::listen(const os::Address& address, int backlog) {
  auto handle = driver_->listen(address, backlog);
  if (!handle) return fail(handle.error());
  return Listener(*this, *handle);
}

Result<Listener> Io::adopt_listener(os::UniqueFd socket, bool shared) {
  auto handle = driver_->adopt_listener(socket.release(), shared);
  if (!handle) return fail(handle.error());
  return Listener(*this, *handle);
}

Result<Stream> Io::adopt(os::UniqueFd socket) {
  auto handle = driver_->adopt(socket.release());
  if (!handle) return fail(handle.error());
  Stream stream(*this, *handle);
  stream.keep_in_drain();
  return stream;
}

Result<Stream> Io::adopt_descriptor(os::UniqueFd fd) {
  if (os::is_socket(fd.get())) return adopt(std::move(fd));
  os::ignore_sigpipe_by_default();
  auto handle = driver_->adopt_descriptor(fd.release());
  if (!handle) return fail(handle.error());
  Stream stream(*this, *handle);
  stream.keep_in_drain();
  return stream;
}

Result<Datagram> Io::bind(const os::Address& address) {
  auto handle = driver_->bind(address);
  if (!handle) return fail(handle.error());
  return Datagram(*this, *handle);
}

Task<Result<Stream>> Io::connect(os::Address address) {
  auto handle = driver_->open(address.family());
  if (!handle) co_return fail(handle.error());
  Stream stream(*this, *handle);
  stream.keep_in_drain();
  ConnectAwaiter connecting(*this, *handle, address);
  auto connected = co_await connecting;
  if (!connected) co_return fail(connected.error());
  co_return std::move(stream);
}

Task<Result<>> Stream::finish(Nanoseconds patience, std::size_t most) {
  Stream self = std::move(*this);  // closed at the end of this
  if (auto ended = self.shutdown_send(); !ended) co_return ended;
  CancelScope limit(self.io(), patience);
  for (std::size_t taken = 0; taken <= most;) {
    auto chunk = co_await self.receive();
    if (!chunk) co_return fail(chunk.error());
    if (chunk->empty()) co_return Result<>();
    taken += chunk->size();
  }
  co_return fail(EMSGSIZE);
}

void Stream::end_layer() noexcept {
  if (!*this) return layer_.reset();
  const BareSocket socket = bare();
  io_ = nullptr;
  StreamLayer& layer = *layer_;
  layer.close(std::move(layer_), socket);
}

void Stream::reset() noexcept {
  if (!*this) return;
  layer_.reset();
  os::reset_on_close(descriptor());
  close();
}

}  // namespace polyio
