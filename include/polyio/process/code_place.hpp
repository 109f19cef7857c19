// Where a function lies in this program, as a number that means the same function in every process
// of the program: a spawned one is loaded at other addresses. Thread-safe.
#pragma once

#include <cstdint>
#include <polyio/process/error.hpp>

namespace polyio::process::detail {

// 0 for nullptr. Errors: target_not_sendable, the code belongs to another file (a plug-in, say),
// which may lie elsewhere in the other process.
Result<std::uint64_t> place_of(const void* code) noexcept;
// The code at `place`, nullptr for 0.
const void* code_at(std::uint64_t place) noexcept;

}  // namespace polyio::process::detail
