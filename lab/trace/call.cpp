#include "call.hpp"

#include <algorithm>
#include <array>
#include <cerrno>

namespace polyio::lab {
namespace {

using Names = std::string_view;
constexpr auto receiving =
    std::to_array<Names>({"read", "readv", "pread64", "preadv", "recvfrom", "recvmsg", "recvmmsg"});
constexpr auto sending = std::to_array<Names>(
    {"write", "writev", "pwrite64", "pwritev", "sendto", "sendmsg", "sendmmsg"});
constexpr auto accepting = std::to_array<Names>({"accept", "accept4"});
constexpr auto connecting = std::to_array<Names>({"connect", "getpeername"});

constexpr auto calls = std::to_array<Call>({
    {.name = "recv",
     .what = "a message of {} bytes comes",
     .zero = "the kernel has the data",
     .waits = "data",
     .phase = "copy",
     .moves = "copies the data",
     .kernel = "the kernel copies the data",
     .system_calls = receiving,
     .in_vain = EAGAIN,
     .nothing = false,
     .any = false},
    {.name = "accept",
     .what = "a client connects",
     .zero = "the kernel has the connection",
     .waits = "a connection",
     .phase = "take",
     .moves = "takes the connection",
     .kernel = "the kernel takes the connection",
     .system_calls = accepting,
     .in_vain = EAGAIN,
     .nothing = true,
     .any = false},
    {.name = "connect",
     .what = "a connection is made to a listener whose queue was full",
     .zero = "the connection is there",
     .waits = "the other side",
     .phase = "result",
     .moves = "brings the result",
     .kernel = "the kernel connects",
     .system_calls = connecting,
     .in_vain = ENOTCONN,
     .nothing = true,
     .any = true},
    {.name = "send",
     .what = "{} bytes are sent into a full socket buffer, and the other side reads",
     .zero = "the other side has read",
     .waits = "room",
     .phase = "copy",
     .moves = "copies the data",
     .kernel = "the kernel copies the data",
     .system_calls = sending,
     .in_vain = EAGAIN,
     .nothing = false,
     .any = false},
    {.name = "recvfrom",
     .what = "a datagram of {} bytes comes",
     .zero = "the kernel has the datagram",
     .waits = "a datagram",
     .phase = "copy",
     .moves = "copies the datagram",
     .kernel = "the kernel copies the datagram",
     .system_calls = receiving,
     .in_vain = EAGAIN,
     .nothing = false,
     .any = false},
    {.name = "sendto",
     .what = "a datagram of {} bytes is sent",
     .zero = "the program asks for it",
     .waits = "",
     .phase = "copy",
     .moves = "copies the datagram",
     .kernel = "the kernel copies the datagram",
     .system_calls = sending,
     .in_vain = EAGAIN,
     .nothing = false,
     .any = false},
});

}  // namespace

std::span<const Call> traced_calls() { return calls; }

const Call* find_call(std::string_view name) {
  const auto found = std::ranges::find(calls, name, &Call::name);
  return found == calls.end() ? nullptr : &*found;
}

}  // namespace polyio::lab
