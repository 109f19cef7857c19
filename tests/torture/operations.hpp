// Single io_uring operations made to fail: what waits to be submitted is walked before it goes to
// the kernel, and the one that is meant becomes a NOP with the result wished for, or is made short.
#pragma once

#include <liburing.h>

#include "faults.hpp"

namespace polyio::torture {

enum class Operation : std::uint8_t { accept, recv, send, sendmsg, recvmsg, connect, poll };

// The fault of the next operation of this kind: an errno, made_short, or 0.
int next_operation(Operation operation) noexcept;
// To be called before `ring` is submitted.
void spoil_operations(io_uring& ring) noexcept;
// The memory of `ring` is a new ring now.
void forget_walked(const io_uring& ring) noexcept;

}  // namespace polyio::torture
