// Awaits a descriptor of any kind from a task, on every I/O model: a pidfd, a pipe, an eventfd, a
// signalfd, whatever poll(2) knows. A thread of the program waits for all of them (os/fd_watcher),
// so this costs a wake-up of two threads: for sockets that carry much, use Stream.
#pragma once

#include <polyio/coro/task.hpp>
#include <polyio/io/io.hpp>

namespace polyio {

// `Result<> r = co_await readable(io, fd);` - until `fd` is readable or its peer is gone. It stays
// open meanwhile, and is not read. Errors: operation_canceled and timed_out of the scope; those of
// os::watch_readable().
Task<Result<>> readable(Io& io, int fd);

}  // namespace polyio
