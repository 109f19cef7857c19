// Received bytes with any number of descriptors beside them: what carries a serialised value that
// owns some.
#pragma once

#include <polyio/linux/descriptors.hpp>
#include <vector>

namespace polyio::process::detail {

using os::max_descriptors;
using os::send_some;

// As os::receive_some(), but the descriptors that came are appended.
inline Result<std::size_t> receive_some(int socket, std::span<std::byte> into,
                                        std::vector<int>& descriptors, int flags = 0) {
  const std::size_t before = descriptors.size();
  descriptors.resize(before + os::max_descriptors);
  const auto got = os::receive_some(socket, into, std::span(descriptors).subspan(before), flags);
  descriptors.resize(before + (got ? got->descriptors : 0));
  if (!got) return fail(got.error());
  return got->bytes;
}

}  // namespace polyio::process::detail
