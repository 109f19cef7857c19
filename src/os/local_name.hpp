// Binding, where the name may be a Unix socket's file: one on which no process listens any more is
// replaced, one that is in use is not.
#pragma once

#include <polyio/os/address.hpp>

namespace polyio::os {

// bind(2), and for a stream listen(2).
Result<> bind_stream(int fd, const Address& address, int backlog);
Result<> bind_datagram(int fd, const Address& address);

}  // namespace polyio::os
