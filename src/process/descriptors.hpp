// Bytes with descriptors beside them, over a Unix socket (unix(7), SCM_RIGHTS): what carries a
// serialised value that owns one. Thin, one call each.
#pragma once

#include <cstddef>
#include <polyio/base/result.hpp>
#include <span>
#include <vector>

namespace polyio::process::detail {

// With one message, at most (the kernel's SCM_MAX_FD).
inline constexpr std::size_t max_descriptors = 253;

// What of `bytes` went at once; the descriptors go with the first byte. Never waits, raises no
// SIGPIPE. Errors: EAGAIN, EPIPE and the others of send(2).
Result<std::size_t> send_some(int socket, std::span<const std::byte> bytes,
                              std::span<const int> descriptors);
// Receives some; 0: the end of file. Descriptors that came are appended, and are the caller's.
// `flags` are recv(2)'s; so are the errors.
Result<std::size_t> receive_some(int socket, std::span<std::byte> into,
                                 std::vector<int>& descriptors, int flags = 0);

}  // namespace polyio::process::detail
