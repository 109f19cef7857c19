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

}  // namespace polyio
