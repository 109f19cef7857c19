// Descriptors handed from process to process: what os/process.hpp calls a channel.
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <polyio/linux/process.hpp>

namespace polyio::os {
namespace {

union Control {
  cmsghdr header;
  char room[CMSG_SPACE(sizeof(int))];
};

}  // namespace

Result<Channel> make_channel() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return fail(errno);
  return Channel{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

Result<> send_message(int channel, char word, int descriptor) {
  iovec part{&word, 1};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  Control control{};
  if (descriptor >= 0) {
    message.msg_control = &control;
    message.msg_controllen = sizeof control;
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof descriptor);
    std::memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
  }
  for (;;) {
    const ssize_t sent = ::sendmsg(channel, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0) return {};  // the byte
    if (errno != EINTR) return fail(errno);
  }
}

Result<Message> receive_message(int channel, bool wait) {
  Message received;
  iovec part{&received.word, 1};
  for (;;) {
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    Control control{};
    message.msg_control = &control;
    message.msg_controllen = sizeof control;
    const ssize_t got = ::recvmsg(channel, &message, MSG_CMSG_CLOEXEC | (wait ? 0 : MSG_DONTWAIT));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == ECONNRESET) return received;  // it ended with words unread
    if (got < 0) return fail(errno);
    const cmsghdr* const header = CMSG_FIRSTHDR(&message);
    if (header && header->cmsg_type == SCM_RIGHTS) {
      int descriptor = -1;
      std::memcpy(&descriptor, CMSG_DATA(header), sizeof descriptor);
      received.descriptor.reset(descriptor);
    }
    return received;
  }
}

}  // namespace polyio::os
