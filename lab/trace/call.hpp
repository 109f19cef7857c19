// The calls that a trace can be of, and what its two phases are for each: what is waited for, and
// what is done once it is there.
#pragma once

#include <span>
#include <string_view>

namespace polyio::lab {

struct Call {
  std::string_view name;    // as socket programs call it
  std::string_view what;    // "one message of {} bytes comes"
  std::string_view zero;    // what has happened at 0
  std::string_view waits;   // for what; empty: it need not wait
  std::string_view phase;   // of what follows the wait, a word
  std::string_view moves;   // what the call does that ends it: "copies the data"
  std::string_view kernel;  // where no call does: "the kernel copies the data"
  std::span<const std::string_view> system_calls;  // those that may
  int in_vain;   // the error's number when what is waited for is not there yet
  bool nothing;  // whether a call that ends it may result in 0
  bool any;      // whatever its descriptor is
};
std::span<const Call> traced_calls();
// nullptr: none of that name.
const Call* find_call(std::string_view name);

}  // namespace polyio::lab
