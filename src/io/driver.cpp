#include <polyio/io/driver.hpp>
#include <polyio/os/socket.hpp>

namespace polyio {

bool Driver::quiet(Handle handle) { return os::quiet(descriptor(handle)); }

}  // namespace polyio
