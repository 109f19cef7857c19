// Reading and writing any descriptor (terminals, pipes, files), one call each, errors as values.
// Restarted on EINTR. Thread-safe, like the system calls.
#pragma once

#include <cstddef>
#include <polyio/base/result.hpp>
#include <polyio/os/unique_fd.hpp>
#include <span>

namespace polyio::os {

inline constexpr int standard_input = 0, standard_output = 1, standard_error = 2;

// read(2): bytes read, 0 at the end of file.
Result<std::size_t> read(int fd, std::span<std::byte> into);
// write(2) until all is written; on an error a part may be.
Result<> write_all(int fd, std::span<const std::byte> from);
// isatty(3).
bool is_terminal(int fd) noexcept;
// Opens /dev/null as whichever of the descriptors 0, 1 and 2 are closed, so that no socket becomes
// standard input or output. Call it first in main().
void fill_standard_descriptors() noexcept;
// Opens a file, made if it is not there for its owner only, and locks it (flock(2)) until it is
// closed or the process ends. Errors: EWOULDBLOCK, another process has the lock; those of open(2).
Result<UniqueFd> lock_file(const char* path);
// Whether this process may read `fd`: false for a terminal that belongs to another job, where
// read(2) would stop the process (tcgetpgrp(3)).
bool may_read(int fd) noexcept;

}  // namespace polyio::os
