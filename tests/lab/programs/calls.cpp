// Makes a known number of system calls, for call_counter_test.cpp: getppid(2) as often as its first
// argument says, by the second in a thread, by the third in a forked child.
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <thread>

namespace {

void call(const char* times) {
  for (long left = std::strtol(times, nullptr, 10); left > 0; --left) ::syscall(SYS_getppid);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  call(argv[1]);
  std::thread([&] { call(argv[2]); }).join();
  const pid_t child = ::fork();
  if (child == 0) {
    call(argv[3]);
    ::_exit(0);
  }
  (void)::waitpid(child, nullptr, 0);
}
