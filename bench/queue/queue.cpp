// One run of a queue between two processes: `queue polyio|boost stream|pingpong SIZE COUNT`.
// stream: one process puts COUNT messages, the other gets them. pingpong: each message comes back
// before the next goes. Prints JSON: messages a second (round trips, for pingpong) and the CPU time
// of both processes per message. Same room for both: 256 KiB.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/interprocess/ipc/message_queue.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <polyio/queue/queue.hpp>
#include <string>

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t room = 256 * 1024;

class Polyio {
 public:
  explicit Polyio(std::size_t size) : queue_({.bytes = room, .largest = size}) {}
  void put(const std::vector<std::byte>& bytes) {
    if (!queue_.put(bytes)) std::abort();
  }
  void get(std::vector<std::byte>& bytes) {
    if (!queue_.get(bytes)) std::abort();
  }

 private:
  polyio::ipc::ByteQueue queue_;
};

class Boost {
 public:
  explicit Boost(std::size_t size)
      : name_("polyio-bench-" + std::to_string(::getpid()) + "-" + std::to_string(++made_)),
        queue_(boost::interprocess::create_only, name_.c_str(), room / (size + 16), size) {
    boost::interprocess::message_queue::remove(name_.c_str());
  }
  void put(const std::vector<std::byte>& bytes) { queue_.send(bytes.data(), bytes.size(), 0); }
  void get(std::vector<std::byte>& bytes) {
    bytes.resize(queue_.get_max_msg_size());
    boost::interprocess::message_queue::size_type got = 0;
    unsigned priority = 0;
    queue_.receive(bytes.data(), bytes.size(), got, priority);
    bytes.resize(got);
  }

 private:
  static inline int made_ = 0;
  std::string name_;
  boost::interprocess::message_queue queue_;
};

double cpu_seconds() {
  double sum = 0;
  for (const int who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage used{};
    ::getrusage(who, &used);
    sum += static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           1e-6 * static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
  }
  return sum;
}

template <class Queue>
void run(const std::string& mode, std::size_t size, long count) {
  Queue there(size), back(size);
  const bool stream = mode == "stream";
  const pid_t child = ::fork();
  if (child == 0) {
    std::vector<std::byte> bytes(size, std::byte{1});
    for (long i = -1; i < count; ++i) {  // one more, to begin with
      if (!stream) back.get(bytes);
      there.put(bytes);
    }
    ::_exit(0);
  }
  std::vector<std::byte> bytes(size, std::byte{2});
  if (!stream) back.put(bytes);
  there.get(bytes);
  const auto begin = Clock::now();
  for (long i = 0; i < count; ++i) {
    if (!stream) back.put(bytes);
    there.get(bytes);
  }
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  int status = 0;
  ::waitpid(child, &status, 0);
  if (status != 0 || bytes.size() != size) std::abort();
  std::printf("{\"rate\": %.1f, \"cpu_ns\": %.1f}\n", static_cast<double>(count) / seconds,
              cpu_seconds() / static_cast<double>(count) * 1e9);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fputs("usage: queue polyio|boost stream|pingpong SIZE COUNT\n", stderr);
    return 2;
  }
  const std::string library = argv[1], mode = argv[2];
  const auto size = static_cast<std::size_t>(std::atol(argv[3]));
  const long count = std::atol(argv[4]);
  if (library == "boost") {
    run<Boost>(mode, size, count);
  } else {
    run<Polyio>(mode, size, count);
  }
}
