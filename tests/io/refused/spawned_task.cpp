// give spawn() the function and its arguments, spawn(f, x), not the task f(x)
#include <polyio/io/task_group.hpp>

polyio::Result<> use(polyio::TaskGroup& group, int number) {
  return group.spawn([number]() -> polyio::Task<> { co_return (void) number; }());
}
