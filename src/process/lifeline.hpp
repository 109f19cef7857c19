// The lifeline of daemons: a pipe whose write end only the parent has. A daemon asks the kernel for
// SIGKILL when that end is closed (fcntl(2): F_SETSIG, O_ASYNC), which happens when the parent
// ends, by kill -9 too. No thread is needed and, unlike with PR_SET_PDEATHSIG, it does not matter
// which thread of the parent started it.
#pragma once

#include <polyio/base/result.hpp>
#include <polyio/os/unique_fd.hpp>

namespace polyio::process::detail {

// In the parent: a read end for one daemon, with an open file description of its own (which process
// to signal is kept there). Errors: EMFILE and the like.
Result<os::UniqueFd> lifeline_for_child();
// In the daemon, for good: from now on it dies with its parent. false: the kernel refused.
bool hold_lifeline(os::UniqueFd lifeline) noexcept;
// After a fork: a child must not hold its siblings' lifeline. Async-signal-safe.
void close_lifeline() noexcept;

}  // namespace polyio::process::detail
