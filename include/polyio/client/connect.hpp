// connect: from "example.org:80" to a Stream: looks the name up and tries its addresses as RFC 8305
// (Happy Eyeballs) says, so that an address that does not answer costs 250 ms and not minutes. The
// rule: nothing is left behind: the first connection is returned, others are closed, and every
// attempt has ended when connect returns.
#pragma once

#include <polyio/client/resolver.hpp>
#include <polyio/io/stream.hpp>

namespace polyio {

struct ConnectOptions {
  // Delay until the next address is tried beside those that have not answered yet (RFC 8305,
  // section 5). An attempt that fails starts the next one at once.
  Nanoseconds attempt_delay = std::chrono::milliseconds(250);
  Nanoseconds attempt_timeout = std::chrono::seconds(10);  // of each address
  Resolver* resolver = nullptr;                            // none: Resolver::shared()
};

// `auto stream = co_await connect(io, "example.org:80", deadline);` - Result<Stream>. Errors:
// EINVAL, not HOST:PORT (os::parse_host_port); those of Resolver; the last address's; timed_out at
// the deadline; those of the scope. Where spawn answers concurrency_unavailable the addresses are
// tried one after the other.
Task<Result<Stream>> connect(Io& io, std::string target, Deadline until = never,
                             ConnectOptions options = {});
Task<Result<Stream>> connect(Io& io, os::HostPort target, Deadline until = never,
                             ConnectOptions options = {});
// The same for addresses that are known, tried in the order given, families in turn.
Task<Result<Stream>> connect(Io& io, std::vector<os::Address> addresses, Deadline until = never,
                             ConnectOptions options = {});

}  // namespace polyio
