// polyio: a pointer can't be sent to another process
#include <polyio/process/process.hpp>

int length(const char* text);

int main() {
  auto process = polyio::process::Process::spawned({}, length, "text");
  return process.start() ? 0 : 1;
}
