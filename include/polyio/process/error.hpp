// Errors of a process or a thread that no errno names. Each message says in a sentence what to do;
// `threads_running` compares equal to std::errc::device_or_resource_busy (EBUSY).
#pragma once

#include <polyio/base/result.hpp>

namespace polyio::process {

enum class Errc {
  already_started = 1,  // start() a second time; a process or thread runs once
  not_started,          // join(), terminate(), kill() before start()
  not_our_child,        // asked in another process than the one that started it
  too_late,             // an attribute that is fixed by start()
  no_target,            // neither a function nor a subclass's run()
  daemon_has_children,  // start() in a daemon, which may be killed at any time
  threads_running,      // fork while another thread runs
  needs_begin,          // spawn, and process::begin() is not the first line of main()
  target_not_sendable,  // spawn of a lambda with captures, of a subclass or of a plug-in's function
  argument_not_sendable,  // spawn with an argument that can't be serialised
  joins_itself,           // a thread that would wait for its own end
  worker_died,            // the worker process that ran a pool's task
};

const std::error_category& category() noexcept;
inline std::error_code make_error_code(Errc e) noexcept {
  return {static_cast<int>(e), category()};
}
inline Unexpected fail(Errc e) noexcept { return Unexpected(make_error_code(e)); }
using polyio::fail;

}  // namespace polyio::process

template <>
struct std::is_error_code_enum<polyio::process::Errc> : std::true_type {};
