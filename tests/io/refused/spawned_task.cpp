// spawn takes the function and its arguments
#include <polyio/io/task_group.hpp>

polyio::Result<> use(polyio::TaskGroup& group, int number) {
  return group.spawn([number]() -> polyio::Task<> { co_return (void) number; }());
}
