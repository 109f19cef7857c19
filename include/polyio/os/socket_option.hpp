// Socket options by name, for those that a program sets on its connections; all take an int.
#pragma once

#include <cstdint>
#include <polyio/base/result.hpp>

namespace polyio::os {

// In the words of socket(7), tcp(7) and ip(7). A flag is 0 or 1.
enum class SocketOption : std::uint8_t {
  keep_alive,           // SO_KEEPALIVE, flag: asks an idle peer whether it is there
  keep_alive_idle,      // TCP_KEEPIDLE, seconds before the first question
  keep_alive_interval,  // TCP_KEEPINTVL, seconds between questions
  keep_alive_count,     // TCP_KEEPCNT, questions without an answer until the connection is over
  user_timeout,         // TCP_USER_TIMEOUT, milliseconds that sent bytes may stay unconfirmed
  no_delay,             // TCP_NODELAY, flag: a small write leaves at once
  cork,                 // TCP_CORK, flag: nothing but full segments leaves
  quick_ack,            // TCP_QUICKACK, flag: confirms at once; the kernel may turn it off again
  not_sent_low_water,   // TCP_NOTSENT_LOWAT, bytes unsent up to which a socket counts as writable
  max_segment,          // TCP_MAXSEG, bytes
  receive_buffer,       // SO_RCVBUF, bytes; the kernel doubles what is set, and bounds it
  send_buffer,          // SO_SNDBUF, the same
  priority,             // SO_PRIORITY, 0 to 6
  mark,                 // SO_MARK, needs CAP_NET_ADMIN or CAP_NET_RAW
  type_of_service,      // IP_TOS, or IPV6_TCLASS
  time_to_live,         // IP_TTL, or IPV6_UNICAST_HOPS
  broadcast,            // SO_BROADCAST, flag, of a datagram socket
};

// setsockopt(2) and getsockopt(2). Errors: theirs; ENOPROTOOPT or EOPNOTSUPP where the socket is of
// a kind that has no such option. Thread-safe.
Result<> set_option(int socket, SocketOption option, int value);
Result<int> get_option(int socket, SocketOption option);

}  // namespace polyio::os
