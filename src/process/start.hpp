// The common parts of the two start methods.
#pragma once

#include <polyio/os/unique_fd.hpp>
#include <polyio/process/process.hpp>

#include "children.hpp"

namespace polyio::process::detail {

OwnedChild make_child(const Options& options);
// The table has it from now on.
void adopt(Child& child, pid_t pid, os::UniqueFd pidfd) noexcept;
// Until `handshake` is readable (a byte, or the end of file), or the child has ended.
Result<> wait_until_up(Child& child, int handshake);
// Starts this program again, with `target` to run, and waits until it is up.
Result<> spawn(Child& child, const Options& options, const Target& target);

}  // namespace polyio::process::detail
