// Result: how polyio reports what failed. Every fallible call answers a Result<T>, a value or a
// std::error_code; nothing on a data path throws. System errors carry the generic category, so they
// compare with std::errc; polyio's own conditions are the enum Errc below.
#pragma once

#include <expected>
#include <system_error>

namespace polyio {

// What can go wrong that no errno names.
enum class Errc {
  concurrency_unavailable = 1,  // spawn: this model and architecture can run no second task
  end_of_file,                  // the peer finished before everything asked for had arrived
  model_unavailable,            // the I/O model can't be used on this machine
  invalid_option,               // an option's value makes no sense
  line_too_long,                // a protocol line is longer than its limit
  protocol_error,               // the peer broke the protocol
};

const std::error_category& polyio_category() noexcept;
inline std::error_code make_error_code(Errc e) noexcept {
  return {static_cast<int>(e), polyio_category()};
}

template <class T = void>
using Result = std::expected<T, std::error_code>;
using Unexpected = std::unexpected<std::error_code>;

// The error for `number`, an errno value (> 0).
inline std::error_code errno_code(int number) noexcept { return {number, std::generic_category()}; }
// `return fail(ECONNRESET);`, `return fail(Errc::end_of_file);`
inline Unexpected fail(int number) noexcept { return Unexpected(errno_code(number)); }
inline Unexpected fail(std::error_code code) noexcept { return Unexpected(code); }
inline Unexpected fail(Errc e) noexcept { return Unexpected(make_error_code(e)); }

}  // namespace polyio

template <>
struct std::is_error_code_enum<polyio::Errc> : std::true_type {};
