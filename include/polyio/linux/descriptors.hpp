// Bytes with descriptors beside them, over a Unix socket (unix(7), SCM_RIGHTS). Thin, one call
// each.
#pragma once

#include <cstddef>
#include <polyio/base/result.hpp>
#include <span>

namespace polyio::os {

// With one message, at most (the kernel's SCM_MAX_FD).
inline constexpr std::size_t max_descriptors = 253;

// What of `bytes` went at once; the descriptors go with the first byte. Never waits, raises no
// SIGPIPE. Errors: EAGAIN, EPIPE and the others of send(2).
Result<std::size_t> send_some(int socket, std::span<const std::byte> bytes,
                              std::span<const int> descriptors);

struct ReceivedSome {
  std::size_t bytes = 0;  // 0: the end of file
  std::size_t descriptors = 0;
};
// Receives some. The descriptors that came are the caller's, at the front of `descriptors`; those
// that have no room there are closed. `flags` are recv(2)'s; so are the errors.
Result<ReceivedSome> receive_some(int socket, std::span<std::byte> into, std::span<int> descriptors,
                                  int flags = 0);

}  // namespace polyio::os
