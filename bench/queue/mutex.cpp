// What it costs to lock and unlock an uncontended mutex, ns each: `mutex ROUNDS`. Prints
// JSON, per kind the least of the rounds, which take turns.
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <polyio/ipc/mutex.hpp>
#include <thread>

namespace {

constexpr int pairs = 2'000'000;

template <class Mutex>
double time_of(Mutex& mutex) {
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < pairs; ++i) {
    (void)mutex.lock();
    asm volatile("" ::: "memory");
    (void)mutex.unlock();
  }
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - begin)
             .count() /
         pairs;
}

// pthread_mutex_t between processes, robust or not.
class PthreadMutex {
 public:
  explicit PthreadMutex(bool robust) {
    pthread_mutexattr_t attributes;
    ::pthread_mutexattr_init(&attributes);
    ::pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    if (robust) ::pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    ::pthread_mutex_init(&mutex_, &attributes);
    ::pthread_mutexattr_destroy(&attributes);
  }
  int lock() { return ::pthread_mutex_lock(&mutex_); }
  int unlock() { return ::pthread_mutex_unlock(&mutex_); }

 private:
  pthread_mutex_t mutex_;
};

}  // namespace

int main(int argc, char** argv) {
  // glibc locks without atomic instructions in a program that has one thread, which needs no mutex.
  std::atomic<bool> over{false};
  const std::jthread second([&] { over.wait(false); });
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 20;
  std::mutex standard;
  PthreadMutex shared(false), robust(true);
  polyio::threads::Mutex ours;
  polyio::ipc::Mutex ours_ipc;
  double least[5] = {1e9, 1e9, 1e9, 1e9, 1e9};
  for (int round = 0; round < rounds; ++round) {
    least[0] = std::min(least[0], time_of(standard));
    least[1] = std::min(least[1], time_of(ours));
    least[2] = std::min(least[2], time_of(shared));
    least[3] = std::min(least[3], time_of(ours_ipc));
    least[4] = std::min(least[4], time_of(robust));
  }
  std::printf(
      "{\"std::mutex\": %.2f, \"threads::Mutex\": %.2f, \"pthread process-shared\": %.2f, "
      "\"ipc::Mutex\": %.2f, \"pthread robust\": %.2f}\n",
      least[0], least[1], least[2], least[3], least[4]);
  over = true;
  over.notify_one();
}
