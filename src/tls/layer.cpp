#include "layer.hpp"

#include <openssl/err.h>

#include <algorithm>
#include <array>
#include <polyio/tls/error.hpp>

namespace polyio::tls {
namespace {

constexpr std::size_t record = 16 * 1024;  // of plaintext, at most (RFC 8446, section 5.1)
constexpr std::size_t batch = 4 * record;  // encrypted before it is sent
constexpr unsigned longest_run = 64;       // reads without a wait, before the others run
constexpr auto say_interval = std::chrono::milliseconds(10);
constexpr auto longest_close = std::chrono::seconds(30);  // of a peer that reads nothing

// Plaintext on loan: the bytes lie behind it.
class Plaintext final : public Lender {
 public:
  static Plaintext* make(std::size_t size, std::shared_ptr<Lease> of) {
    return new (::operator new(sizeof(Plaintext) + size)) Plaintext(std::move(of));
  }
  std::byte* data() noexcept { return reinterpret_cast<std::byte*>(this + 1); }
  void give_back(std::uint32_t) noexcept override {
    std::destroy_at(this);
    ::operator delete(this);
  }

 private:
  explicit Plaintext(std::shared_ptr<Lease> of) noexcept : of_(std::move(of)) {}
  std::shared_ptr<Lease> of_;
};

}  // namespace

// What is left of the parts of a send.
class Layer::Rest {
 public:
  explicit Rest(std::span<const Part> parts) noexcept : parts_(parts) { skip(0); }
  bool empty() const noexcept { return parts_.empty(); }
  std::size_t size() const noexcept {
    std::size_t size = 0;
    for (const Part& part : parts_) size += part.size;
    return size - at_;
  }
  // For one record: a piece of the first part, or several parts put together in `room`.
  std::span<const std::byte> next(std::span<std::byte> room) noexcept {
    const std::span<const std::byte> piece(parts_[0].data + at_,
                                           std::min(parts_[0].size - at_, room.size()));
    if (piece.size() == room.size() || parts_.size() == 1) {
      skip(piece.size());
      return piece;
    }
    std::size_t count = 0;
    while (!empty() && count < room.size()) {
      const std::size_t some = std::min(parts_[0].size - at_, room.size() - count);
      std::copy_n(parts_[0].data + at_, some, room.data() + count);
      count += some;
      skip(some);
    }
    return room.first(count);
  }

 private:
  void skip(std::size_t count) noexcept {
    at_ += count;
    while (!parts_.empty() && at_ == parts_[0].size) {
      parts_ = parts_.subspan(1);
      at_ = 0;
    }
  }
  std::span<const Part> parts_;
  std::size_t at_ = 0;  // in the first
};

// --- receiving ---

// What can be had without the socket: bytes, at least one; 0 at the end; EAGAIN: none yet.
Result<std::size_t> Layer::read(std::span<std::byte> room) {
  std::size_t count = 0;
  while (count < room.size() && !failure_) {
    ERR_clear_error();
    std::size_t some = 0;
    const int done = SSL_read_ex(ssl(), room.data() + count, room.size() - count, &some);
    if (!done) {
      const int why = SSL_get_error(ssl(), done);
      if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_ZERO_RETURN) failure_ = take_error();
      break;
    }
    count += some;
    partial_ = 0;
  }
  if (count > 0) return count;
  if (failure_) return fail(failure_);
  if (SSL_get_shutdown(ssl()) & SSL_RECEIVED_SHUTDOWN) return 0;
  return fail(EAGAIN);
}

Result<Lease> Layer::read_lease() {
  const std::size_t most = static_cast<std::size_t>(SSL_pending(ssl())) + partial_ + unread_.size();
  Plaintext* const buffer = Plaintext::make(most, received_);
  auto count = read({buffer->data(), most});
  Lease lease(*buffer, buffer->data(), static_cast<std::uint32_t>(count.value_or(0)), 0);
  if (!count) return fail(count.error());
  if (*count == 0) return Lease();
  return lease;
}

// Before a read: the operation's own errors, and what a bounded turn asks for.
Task<Result<>> Layer::turn(Io& io) {
  if (auto live = io.check_cancelled(); !live) co_return live;
  if (++reads_ < longest_run) co_return Result<>();
  reads_ = 0;
  co_return co_await io.yield();
}

// More ciphertext. False: a drain ends this connection.
Task<Result<bool>> Layer::fetch(BareSocket socket) {
  reads_ = 0;
  if (out_.size() > batch && !in_send_) {  // a peer that makes us answer, and does not listen
    auto sent = co_await send_all(socket, {});
    if (!sent) co_return fail(sent.error());
  }
  auto chunk = co_await socket.receive();
  if (!chunk) co_return fail(chunk.error());
  if (chunk->empty()) {
    if (socket.io().draining() && !socket.handle().kept_in_drain) co_return false;
    failure_ = Errc::truncated;
    co_return true;
  }
  received_ = std::make_shared<Lease>(std::move(*chunk));
  unread_ = received_->bytes();
  co_return true;
}

Task<Result<Lease>> Layer::receive(BareSocket socket) {
  auto own = co_await turn(socket.io());
  if (!own) co_return fail(own.error());
  for (;;) {
    auto lease = read_lease();
    say(socket);  // alerts, answers to key updates
    if (lease || lease.error() != std::errc::resource_unavailable_try_again) {
      co_return std::move(lease);
    }
    auto more = co_await fetch(socket);
    if (!more) co_return fail(more.error());
    if (!*more) co_return Lease();
  }
}

Task<Result<std::size_t>> Layer::receive_into(BareSocket socket, std::span<std::byte> room) {
  auto own = co_await turn(socket.io());
  if (!own) co_return fail(own.error());
  if (room.empty()) co_return std::size_t{0};
  for (;;) {
    auto count = read(room);
    say(socket);
    if (count || count.error() != std::errc::resource_unavailable_try_again) co_return count;
    auto more = co_await fetch(socket);
    if (!more) co_return fail(more.error());
    if (!*more) co_return std::size_t{0};
  }
}

// --- sending ---

// The next batch of records, into out_.
Result<> Layer::encrypt(Rest& rest) {
  std::array<std::byte, record> together;  // NOLINT: filled by next()
  const std::size_t some = std::min(rest.size(), batch);
  out_.reserve(out_.size() + some + some / 32 + 64);
  for (const std::size_t full = out_.size() + batch; !rest.empty() && out_.size() < full;) {
    const std::span<const std::byte> piece = rest.next(together);
    ERR_clear_error();
    std::size_t written = 0;
    if (!SSL_write_ex(ssl(), piece.data(), piece.size(), &written)) {
      if (SSL_get_shutdown(ssl()) & SSL_SENT_SHUTDOWN) return fail(EPIPE);
      return fail(take_error());
    }
  }
  return {};
}

// With no parts: what is in out_ already.
Task<Result<>> Layer::send_all(BareSocket socket, std::span<const Part> parts) {
  auto held = co_await sending_.hold(socket.io());
  if (!held) co_return fail(held.error());
  Rest rest(parts);
  do {
    if (cut_) co_return fail(EPIPE);
    if (auto encrypted = encrypt(rest); !encrypted) co_return encrypted;
    while (!out_.empty()) {
      const std::vector<std::byte> going = std::exchange(out_, {});
      in_send_ = true;
      auto sent = co_await socket.send_all(going);
      in_send_ = false;
      cut_ = !sent;
      if (!sent) co_return sent;
    }
  } while (!rest.empty());
  if (ending_) co_return socket.io().driver().shutdown(socket.handle(), SHUT_WR);
  co_return Result<>();
}

// --- what is said without waiting ---

// True: nothing is left to be said by the timer.
bool Layer::say_now() noexcept {
  if (cut_ || in_send_) return true;
  if (!out_.empty()) {
    const std::size_t sent = io_->driver().send_now(socket_, out_);
    out_.erase(out_.begin(), out_.begin() + static_cast<std::ptrdiff_t>(sent));
  }
  if (!out_.empty()) return false;
  out_ = {};
  if (ending_) (void)io_->driver().shutdown(socket_, SHUT_WR);
  return true;
}

void Layer::say(BareSocket socket) noexcept {
  if (out_.empty()) return;
  io_ = &socket.io();
  socket_ = socket.handle();
  began_ = io_->now();
  say_again();
}

// Until the socket has taken it, which it does when the peer reads.
void Layer::say_again() noexcept try {
  const bool late = closing_ && io_->now() - began_ > longest_close;
  if (!say_now() && !late) return io_->arm(*this, deadline_after(io_->now(), say_interval));
  if (closing_) forget_closing(*io_, *this);  // which destroys this
} catch (const std::bad_alloc&) {
  if (closing_) forget_closing(*io_, *this);
}

Result<> Layer::shutdown_send(BareSocket socket) {
  if (cut_) return fail(EPIPE);
  if (std::exchange(ending_, true)) return {};
  SSL_shutdown(ssl());
  ERR_clear_error();
  say(socket);
  return {};
}

void Layer::close(std::unique_ptr<StreamLayer> self, BareSocket socket) noexcept {
  io_ = &socket.io();
  socket_ = socket.handle();
  closing_ = true;
  if (!std::exchange(ending_, true)) SSL_shutdown(ssl());
  ERR_clear_error();
  if (say_now()) return;
  if (keep_closing(*io_, std::move(self))) say(socket);
}

Layer::~Layer() {
  if (!io_) return;
  io_->disarm(*this);
  if (closing_) io_->close(socket_);
}

}  // namespace polyio::tls
