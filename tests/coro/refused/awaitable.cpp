// a Task awaits Tasks and operations of polyio only
// Only Clang: g++ 12 would copy what await_transform() returns, so there is none.
#include <polyio/coro/task.hpp>

polyio::Task<> wait() { co_await std::suspend_always{}; }
