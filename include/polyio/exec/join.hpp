// Awaits the end of a Process from a task, on every I/O model; the loop goes on meanwhile, and
// thousands can be awaited at once, each with a descriptor.
#pragma once

#include <polyio/coro/task.hpp>
#include <polyio/io/io.hpp>
#include <polyio/process/process.hpp>

namespace polyio::process {

// `Result<> ended = co_await process::join(io, process);` - the Process must outlive it. Errors:
// operation_canceled and timed_out of the scope, after which the process goes on; not_started,
// not_our_child; those of readable().
Task<Result<>> join(Io& io, Process& process);

}  // namespace polyio::process
