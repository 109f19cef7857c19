#include "commands.hpp"
namespace polyio::app {
void add_connect(CLI::App&, Run&) {}
}  // namespace polyio::app
