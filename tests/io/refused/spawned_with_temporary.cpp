// the function takes by reference what ends with this statement
#include <polyio/io/task_group.hpp>
#include <string>

polyio::Task<> log(const std::string& line);

polyio::Result<> use(polyio::TaskGroup& group) { return group.spawn(log, std::string("line")); }
