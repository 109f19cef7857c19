// polyio: spawn runs a function or a lambda without captures
#include <polyio/process/process.hpp>

int main() {
  int number = 5;
  auto process = polyio::process::Process::spawned({}, [&number] { return number; });
  return process.start() ? 0 : 1;
}
