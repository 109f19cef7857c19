#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <polyio/base/timespec.hpp>
#include <polyio/process/pipe.hpp>

#include "descriptors.hpp"

namespace polyio::process {
namespace {

// A message's room grows as it comes, whatever its header says.
constexpr std::size_t step = std::size_t{1} << 20;

}  // namespace

Connection::Message::~Message() {
  for (const int descriptor : descriptors) {
    if (descriptor >= 0) ::close(descriptor);
  }
}

void Connection::Message::swap(Message& other) noexcept {
  std::swap(header, other.header);
  std::swap(got, other.got);
  bytes.swap(other.bytes);
  descriptors.swap(other.descriptors);
}

Result<> Connection::wait(short events, Deadline deadline) const {
  for (;;) {
    timespec left{};
    if (deadline != never) {
      const TimePoint now = monotonic_now();  // not subtracted first: Deadline::min() overflows
      left = to_timespec(deadline > now ? deadline - now : Nanoseconds::zero());
    }
    pollfd ready{socket_.get(), events, 0};
    const int count = ::ppoll(&ready, 1, deadline == never ? nullptr : &left, nullptr);
    if (count > 0) return {};
    if (count < 0 && errno != EINTR) return fail(errno);
    if (deadline != never && monotonic_now() >= deadline) return fail(ETIMEDOUT);
  }
}

Result<> Connection::send_bytes(std::span<const std::byte> message, Deadline deadline) {
  return send_message(message, {}, deadline);
}

Result<> Connection::send_message(std::span<const std::byte> bytes,
                                  std::span<const int> descriptors, Deadline deadline) {
  if (!socket_) return fail(EBADF);
  if (cut_) return fail(EPIPE);
  if (bytes.size() > max_message || descriptors.size() > detail::max_descriptors) {
    return fail(EMSGSIZE);
  }
  const Header header{static_cast<std::uint32_t>(bytes.size()),
                      static_cast<std::uint32_t>(descriptors.size())};
  // Small ones go by one call: copied behind the header.
  if (bytes.size() <= 4096) {
    std::byte room[sizeof header + 4096];
    std::memcpy(room, &header, sizeof header);
    if (!bytes.empty()) std::memcpy(room + sizeof header, bytes.data(), bytes.size());
    return send_part({room, sizeof header + bytes.size()}, descriptors, deadline);
  }
  if (auto sent = send_part(std::as_bytes(std::span(&header, 1)), descriptors, deadline); !sent) {
    return sent;
  }
  auto sent = send_part(bytes, {}, deadline);
  if (!sent) {
    cut_ = true;
    ::shutdown(socket_.get(), SHUT_WR);
  }
  return sent;
}

Result<> Connection::send_part(std::span<const std::byte> bytes, std::span<const int> descriptors,
                               Deadline deadline) {
  const std::size_t size = bytes.size();
  while (!bytes.empty()) {
    auto sent = detail::send_some(socket_.get(), bytes, descriptors);
    if (sent) {
      bytes = bytes.subspan(*sent);
      descriptors = {};
      continue;
    }
    Result<> answer = fail(sent.error());
    if (sent.error() == std::errc::resource_unavailable_try_again) {
      answer = wait(POLLOUT, deadline);
      if (answer) continue;
    }
    if (bytes.size() < size) {  // the peer will find half a message, and its end
      cut_ = true;
      ::shutdown(socket_.get(), SHUT_WR);
    }
    return answer;
  }
  return {};
}

Result<std::size_t> Connection::receive_part(std::span<std::byte> into, Deadline deadline) {
  for (;;) {
    auto got = detail::receive_some(socket_.get(), into, partial_.descriptors, MSG_DONTWAIT);
    if (got || got.error() != std::errc::resource_unavailable_try_again) return got;
    if (auto ready = wait(POLLIN, deadline); !ready) return fail(ready.error());
  }
}

Result<Connection::Message> Connection::receive_message(Deadline deadline) {
  if (!socket_) return fail(EBADF);
  constexpr std::size_t head = sizeof(Header);
  for (;;) {
    Message& next = partial_;
    if (next.got >= head && next.got == head + next.header.size) {
      if (next.header.descriptors != next.descriptors.size()) {
        return fail(polyio::Errc::protocol_error);  // or this process has no more: EMFILE
      }
      return std::exchange(partial_, Message());
    }
    std::span<std::byte> room;
    if (next.got < head) {
      room = std::as_writable_bytes(std::span(&next.header, 1)).subspan(next.got);
    } else {
      const std::size_t have = next.got - head;
      if (have == next.bytes.size()) {
        next.bytes.resize(std::min<std::size_t>(next.header.size, have + step));
      }
      room = std::span(next.bytes).subspan(have);
    }
    const auto got = receive_part(room, deadline);
    if (!got) return fail(got.error());
    if (*got == 0 && next.got == 0) return fail(polyio::Errc::end_of_file);
    if (*got == 0) return fail(ECONNRESET);
    next.got += *got;
    if (next.got == head && next.header.size > max_message) {
      next.got = 0;
      ::shutdown(socket_.get(), SHUT_RDWR);  // what follows can't be read either
      return fail(polyio::Errc::protocol_error);
    }
  }
}

Result<std::vector<std::byte>> Connection::receive_bytes(Deadline deadline) {
  auto message = receive_message(deadline);
  if (!message) return fail(message.error());
  return std::move(message->bytes);
}

Result<bool> Connection::poll(Deadline deadline) {
  if (!socket_) return fail(EBADF);
  if (partial_.got > 0) return true;
  const auto ready = wait(POLLIN, deadline);
  if (ready) return true;
  if (ready.error() == std::errc::timed_out) return false;
  return fail(ready.error());
}

Result<Pipe> make_pipe() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return fail(errno);
  return Pipe{Connection(os::UniqueFd(ends[0])), Connection(os::UniqueFd(ends[1]))};
}

}  // namespace polyio::process
