#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <polyio/linux/descriptors.hpp>

namespace polyio::os {
namespace {

struct Control {
  alignas(cmsghdr) unsigned char room[CMSG_SPACE(max_descriptors * sizeof(int))];
};

}  // namespace

Result<std::size_t> send_some(int socket, std::span<const std::byte> bytes,
                              std::span<const int> descriptors) {
  iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  Control control;
  if (!descriptors.empty()) {
    message.msg_control = control.room;
    message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(header), descriptors.data(), descriptors.size_bytes());
  }
  for (;;) {
    const ssize_t sent = ::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) return static_cast<std::size_t>(sent);
    if (errno != EINTR) return fail(errno);
  }
}

Result<ReceivedSome> receive_some(int socket, std::span<std::byte> into, std::span<int> descriptors,
                                  int flags) {
  const std::size_t most = std::min(descriptors.size(), max_descriptors);
  iovec part{into.data(), into.size()};
  Control control;
  msghdr message;
  ssize_t got;
  do {
    message = {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.room;
    message.msg_controllen = CMSG_LEN(most * sizeof(int));  // or padding is room for one more
    got = ::recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return fail(errno);
  ReceivedSome received{static_cast<std::size_t>(got), 0};
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t size = header->cmsg_len - CMSG_LEN(0);
    std::memcpy(descriptors.data() + received.descriptors, CMSG_DATA(header), size);
    received.descriptors += size / sizeof(int);
  }
  return received;
}

}  // namespace polyio::os
