// a Task awaits Tasks and operations of polyio only
#include <polyio/coro/task.hpp>

polyio::Task<> wait() { co_await std::suspend_always{}; }
