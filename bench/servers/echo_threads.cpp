// The limit of every thread-per-connection server: blocking calls, a small stack.
#include <pthread.h>

#include "common.hpp"

namespace {

void* serve(void* argument) {
  const int fd = static_cast<int>(reinterpret_cast<std::intptr_t>(argument));
  char buffer[bench::buffer_size];
  for (ssize_t n; (n = recv(fd, buffer, sizeof buffer, 0)) > 0;) {
    const auto size = static_cast<std::size_t>(n);
    bench::upper(buffer, size);
    std::size_t done = 0;
    while (done < size) {
      const ssize_t sent = send(fd, buffer + done, size - done, MSG_NOSIGNAL);
      if (sent < 0) break;
      done += static_cast<std::size_t>(sent);
    }
    if (done < size) break;
  }
  close(fd);
  return nullptr;
}

}  // namespace

int main(int argc, char** argv) {
  const int listener = bench::listen_here(argc, argv, "hand-written threads, echo", 0);
  pthread_attr_t small;
  pthread_attr_init(&small);
  pthread_attr_setdetachstate(&small, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&small, bench::buffer_size + 32 * 1024);
  for (;;) {
    const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    pthread_t thread;
    void* argument = reinterpret_cast<void*>(static_cast<std::intptr_t>(fd));
    if (pthread_create(&thread, &small, serve, argument) != 0) close(fd);
  }
}
