// While it is set, operator new fails (memory_test.cpp); without effect under sanitizers.
#pragma once

#include <atomic>

namespace polyio::chat_test {

extern std::atomic<bool> no_memory;

}  // namespace polyio::chat_test
