// g\+\+ 12 destroys this temporary twice
// Only GNU: clang destroys it once.
#include <polyio/io/task_group.hpp>
#include <string>

polyio::Task<> use(polyio::Io& io, std::string name) {
  return polyio::with_task_group(
      io, [name](polyio::TaskGroup&) -> polyio::Task<> { co_return (void) name.size(); });
}
