// operator new of this test program (memory_test.cpp) fails where these say so; without effect
// under sanitizers.
#pragma once

#include <atomic>

namespace polyio::chat_test {

extern std::atomic<bool> no_memory;  // always
// The one that takes this from 1 to 0, of those in threads that are not spared.
extern std::atomic<int> allocations_left;
extern constinit thread_local bool spared;

}  // namespace polyio::chat_test
