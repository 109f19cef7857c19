// Descriptors that are no sockets, but can be waited for: pipes, FIFOs, terminals, character
// devices.
#pragma once

#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <polyio/os/socket.hpp>
#include <span>

namespace polyio::os {

bool is_socket(int fd) noexcept;

// The same file in that mode. O_NONBLOCK belongs to a file description, which the shell has too
// where it is its terminal, and the other processes of a pipeline: so the file is opened again
// (through /proc/self/fd) where that can be done, and only else its own description is changed.
// Errors: EPERM, a regular file or a directory, which is never waited for; those of fcntl(2).
Result<UniqueFd> in_mode(UniqueFd fd, Blocking mode);

// read(2) and writev(2), with -1 and errno on an error. Without `wait`: EAGAIN where they would
// wait. A terminal that is closed (EIO) is at its end: 0.
ssize_t read_some(int fd, std::span<std::byte> into, bool wait) noexcept;
ssize_t write_some(int fd, std::span<const iovec> from, bool wait) noexcept;

}  // namespace polyio::os
