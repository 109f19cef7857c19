#include <polyio/io/driver.hpp>
#include <polyio/os/socket.hpp>

#include "loop.hpp"

namespace polyio {

std::unique_ptr<Scheduler> Driver::make_scheduler() { return std::make_unique<Loop>(io()); }

bool Driver::quiet(Handle handle) { return os::quiet(descriptor(handle)); }

}  // namespace polyio
