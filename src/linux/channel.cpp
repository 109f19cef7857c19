// Descriptors handed from process to process: what linux/process.hpp calls a channel.
#include <sys/socket.h>

#include <cerrno>
#include <polyio/linux/descriptors.hpp>
#include <polyio/linux/process.hpp>

namespace polyio::os {

Result<Channel> make_channel() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return fail(errno);
  return Channel{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

Result<> send_message(int channel, char byte, int descriptor) {
  const std::span one(&descriptor, descriptor >= 0 ? 1 : 0);
  const auto sent = send_some(channel, std::as_bytes(std::span(&byte, 1)), one);
  if (!sent) return fail(sent.error());
  return {};
}

Result<Message> receive_message(int channel, bool wait) {
  Message message;
  int descriptor = -1;
  const auto receive = [&] {
    return receive_some(channel, std::as_writable_bytes(std::span(&message.byte, 1)),
                        std::span(&descriptor, 1), wait ? 0 : MSG_DONTWAIT);
  };
  auto got = receive();
  // Said once, where the other side has ended with messages unread; the end itself comes next.
  if (!got && got.error() == errno_code(ECONNRESET)) got = receive();
  if (!got) return fail(got.error());
  message.descriptor.reset(descriptor);
  return message;
}

}  // namespace polyio::os
