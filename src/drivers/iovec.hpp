// The parts of a send as the system takes them. The layouts agree, so it costs nothing.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <polyio/io/op.hpp>
#include <span>

namespace polyio {

static_assert(sizeof(Part) == sizeof(iovec) && alignof(Part) == alignof(iovec));
static_assert(offsetof(Part, data) == offsetof(iovec, iov_base));
static_assert(offsetof(Part, size) == offsetof(iovec, iov_len));

inline std::span<const iovec> as_iovec(std::span<const Part> parts) noexcept {
  return {reinterpret_cast<const iovec*>(parts.data()), parts.size()};
}

}  // namespace polyio
