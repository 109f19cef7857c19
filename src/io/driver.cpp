#include <algorithm>
#include <polyio/io/driver.hpp>
#include <polyio/os/socket.hpp>

#include "loop.hpp"

namespace polyio {

std::unique_ptr<Scheduler> Driver::make_scheduler() { return std::make_unique<Loop>(io()); }

Result<Handle> Driver::adopt_descriptor(int fd) {
  os::UniqueFd(fd).reset();
  return fail(EOPNOTSUPP);
}

bool Driver::quiet(Handle handle) { return os::quiet(descriptor(handle)); }

std::size_t Driver::send_now(Handle handle, std::span<const std::byte> bytes) noexcept {
  const iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
  return static_cast<std::size_t>(std::max(os::send_now(descriptor(handle), {&part, 1}), 0L));
}

}  // namespace polyio
