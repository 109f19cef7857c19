// Awaits a descriptor of any kind from a task, on every I/O model: a pidfd, a pipe, an eventfd, a
// signalfd, whatever poll(2) knows. The model itself waits for it, so no thread is needed. For
// sockets that carry much, use Stream.
#pragma once

#include <polyio/coro/task.hpp>
#include <polyio/io/io.hpp>

namespace polyio {

// `Result<> r = co_await readable(io, fd);` - until `fd` is readable or its peer is gone. It is not
// read. Several tasks may wait for the same one; each wait holds a duplicate of it until it ends.
// Errors: operation_canceled and timed_out of the scope; EBADF; EMFILE; ENOMEM; EOVERFLOW under
// select, past 1,023 descriptors; EOPNOTSUPP in a simulated network.
Task<Result<>> readable(Io& io, int fd);

}  // namespace polyio
