// Starts three processes at the top level of main(), with nothing that keeps the children from
// coming by here too: what Python's documentation warns of. Prints a letter for every process that
// gets to a place; program_test.cpp counts them. Arguments: fork or spawn, begin or none.
#include <unistd.h>

#include <cstdio>
#include <polyio/process/process.hpp>
#include <string_view>

namespace {

void mark(char letter) { (void)!::write(STDOUT_FILENO, &letter, 1); }
void child() { mark('c'); }

}  // namespace

int main(int argc, char** argv) {
  using namespace polyio::process;
  if (argc > 2 && std::string_view(argv[2]) != "none") begin(argc, argv);
  mark('m');
  const bool by_fork = argc > 1 && std::string_view(argv[1]) == "fork";
  for (int i = 0; i < 3; ++i) {
    Process process(Options{.method = by_fork ? Method::fork : Method::spawn}, child);
    if (const auto started = process.start(); !started) {
      mark(started.error() == Errc::needs_begin ? 'r' : '?');
    }
  }
}
