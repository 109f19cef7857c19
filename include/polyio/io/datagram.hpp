// Datagram: a bound datagram socket of one Io, UDP or Unix: messages with an address each, kept
// apart, in no order, any of which may be lost (udp(7)). Move-only; closed when destroyed. At most
// one receive_from and one send_to may be in flight at a time, from the same or two tasks. Used by
// the tasks of its Io only.
#pragma once

#include <sys/socket.h>

#include <algorithm>
#include <polyio/io/socket_base.hpp>
#include <polyio/os/source_address.hpp>
#include <span>
#include <string_view>

namespace polyio {

// A datagram that came.
struct Received {
  std::size_t size = 0;    // bytes in the room it was received into
  std::size_t length = 0;  // bytes it had; 0 is a datagram too
  os::Address from;        // the sender; without a name when a Unix socket has none
  // The address that was asked, where the socket has several (*:PORT, [::]:PORT); its port is 0.
  os::Address to{};
  // The room was too small: the rest is lost.
  bool truncated() const noexcept { return length > size; }
};

class Datagram : public SocketBase {
 public:
  using SocketBase::SocketBase;

  // `auto got = co_await socket.receive_from(room);` — Result<Received>: the next datagram. The
  // room stays valid until then. Errors: ECONNREFUSED (ICMP: an earlier datagram had no receiver;
  // go on), those of the scope.
  auto receive_from(std::span<std::byte> room) noexcept {
    return ReceiveAwaiter(io(), handle_, room);
  }
  // `auto sent = co_await socket.send_to(bytes, address);` — Result<>: the kernel has the whole
  // datagram; that says nothing of its arrival. Bytes and address stay valid until then. Errors:
  // EMSGSIZE more than 65,507 bytes (UDP over IPv4), ENETUNREACH …; for a Unix socket ECONNREFUSED
  // and ENOENT where nobody has the name, and EAGAIN where the receiver's queue is full, for the
  // kernel doesn't tell when there is room again.
  auto send_to(std::span<const std::byte> bytes, const os::Address& to) noexcept {
    return SendAwaiter(io(), handle_, bytes, to, nullptr);
  }
  // The same from one of the socket's addresses: an answer from another one than was asked,
  // Received::to, is dropped by clients and firewalls. Empty: the kernel chooses. Errors: EINVAL,
  // ENETUNREACH: it is none of this machine's.
  auto send_to(std::span<const std::byte> bytes, const os::Address& to,
               const os::Address& from) noexcept {
    return SendAwaiter(io(), handle_, bytes, to, &from);
  }
  auto send_to(std::string_view text, const os::Address& to) noexcept {
    return send_to(std::as_bytes(std::span(text)), to);
  }
  auto send_to(std::string_view text, const os::Address& to, const os::Address& from) noexcept {
    return send_to(std::as_bytes(std::span(text)), to, from);
  }

 private:
  // What the kernel is handed; lives in the awaiter until the operation's end.
  class MessageAwaiter : public OpAwaiter {
   protected:
    MessageAwaiter(Io& io, Handle handle, std::byte* data, std::size_t size) noexcept
        : OpAwaiter(io), handle_(handle), part_{data, size} {}
    bool start(OpKind kind, sockaddr* name, socklen_t name_size, int flags) {
      message_.msg_name = name;
      message_.msg_namelen = name_size;
      message_.msg_iov = &part_;
      message_.msg_iovlen = 1;
      Op& op = io_->prepare(kind, handle_);
      op.message = &message_;
      op.size = static_cast<std::size_t>(flags);
      return io_->begin(op);
    }

    Handle handle_;
    iovec part_;
    msghdr message_{};
    alignas(cmsghdr) std::byte control_[os::source_room]{};
  };

  class ReceiveAwaiter : public MessageAwaiter {
   public:
    ReceiveAwaiter(Io& io, Handle handle, std::span<std::byte> room) noexcept
        : MessageAwaiter(io, handle, room.data(), room.size()) {}
    bool await_ready() {
      message_.msg_control = control_;
      message_.msg_controllen = sizeof control_;
      return start(OpKind::receive_from, reinterpret_cast<sockaddr*>(&from_), sizeof from_, 0);
    }
    Result<Received> await_resume() noexcept {
      const std::int64_t result = io_->current().result;
      if (result < 0) return fail(static_cast<int>(-result));
      const auto length = static_cast<std::size_t>(result);
      return Received{std::min(length, part_.iov_len), length,
                      os::Address(reinterpret_cast<sockaddr*>(&from_), message_.msg_namelen),
                      os::local_address_of(message_)};
    }

   private:
    sockaddr_storage from_;
  };

  class SendAwaiter : public MessageAwaiter {
   public:
    SendAwaiter(Io& io, Handle handle, std::span<const std::byte> bytes, const os::Address& to,
                const os::Address* from) noexcept
        : MessageAwaiter(io, handle, const_cast<std::byte*>(bytes.data()), bytes.size()),
          to_(&to),
          from_(from) {}
    bool await_ready() {
      if (from_) os::set_source(message_, control_, *from_);
      const bool queue_may_be_full = to_->family() == AF_UNIX;
      return start(OpKind::send_to, const_cast<sockaddr*>(to_->data()), to_->size(),
                   queue_may_be_full ? MSG_DONTWAIT : 0);
    }
    Result<> await_resume() noexcept { return outcome(); }

   private:
    const os::Address* to_;
    const os::Address* from_;
  };
};

}  // namespace polyio
