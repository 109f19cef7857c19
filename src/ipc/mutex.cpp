#include <cstddef>
#include <polyio/ipc/mutex.hpp>
#include <type_traits>

namespace polyio::ipc {

template class RobustWord<SharedKernel>;
template class RobustWord<ThreadKernel>;

// The word comes first and the node's `next` 32 bytes behind it, the distance that glibc registers
// with the kernel.
static_assert(std::is_standard_layout_v<RobustWord<SharedKernel>>);
static_assert(sizeof(RobustWord<SharedKernel>) == 40 && alignof(RobustWord<SharedKernel>) == 8);

}  // namespace polyio::ipc
