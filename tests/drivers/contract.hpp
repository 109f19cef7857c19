// The contract suite: what every I/O model promises, checked by the same cases on all of them. A
// case runs tasks on one Io (fixture ContractTest) against other tasks or a raw socket. The rule:
// nobody sleeps to wait for somebody else and nothing is asserted to be fast; each case leaves no
// descriptor, job or timer.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <functional>
#include <polyio/base/random.hpp>
#include <polyio/drivers/registry.hpp>
#include <polyio/io/io.hpp>
#include <polyio/io/stream.hpp>
#include <polyio/io/task_group.hpp>
#include <string>
#include <thread>
#include <vector>

#include "support/results.hpp"

namespace polyio::contract {

using namespace std::chrono_literals;

// GTEST_SKIP, with the registry's reason, where the model can't be used. For SetUp.
void skip_unless_available(std::string_view model);

// Descriptors open in this process.
int open_fds();

// A socket without polyio: blocking calls, for threads of their own or where they can't wait.
class Raw {
 public:
  Raw() = default;
  explicit Raw(os::UniqueFd socket) : socket_(std::move(socket)) {}
  static Raw connect(const os::Address& address, int buffer = 0);

  int fd() const { return socket_.get(); }
  os::UniqueFd take() { return std::move(socket_); }
  void send(std::string_view text);
  // Whatever fits without waiting; how much it was.
  std::size_t send_what_fits(std::string_view text);
  // Exactly `count` bytes, or less when the peer finishes or breaks off.
  std::string read(std::size_t count);
  std::string read_to_end() { return read(SIZE_MAX); }
  void shutdown_send() { ::shutdown(fd(), SHUT_WR); }
  // Closes with a reset instead of an orderly end.
  void reset();
  void close() { socket_.reset(); }

 private:
  os::UniqueFd socket_;
};

// Two ends of a TCP connection over 127.0.0.1; `buffer` bounds the kernel's buffers on both sides.
std::pair<Raw, Raw> raw_pair(int buffer = 0);

struct Pair {
  Stream near, far;
};

class ContractTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override;
  void TearDown() override;

  // What the driver of io() is made with.
  virtual DriverOptions options() const { return {}; }
  // POLYIO_TEST_POLICY in the environment, else fcfs.
  static sched::Kind policy();
  // Under that policy.
  std::unique_ptr<Io> make_io() const;
  static std::string model() { return GetParam(); }
  Io& io() { return *io_; }
  // Runs `body(TaskGroup&) -> Task<>` on io() and checks that nothing is left.
  void run(const std::function<Task<>(TaskGroup&)>& body);
  Stream adopt(Raw raw);
  Pair pair(int buffer = 0);
  std::pair<Stream, Raw> half(int buffer = 0);
  // A listener on an unused port of `host`.
  Listener listen(const char* host = "127.0.0.1:0", int backlog = 128);

  // Lets the others run and their events come in, `turns` times.
  Task<> turns(int count);
  Task<> until(std::function<bool()> condition);
  // Exactly `count` bytes, or less when the peer finishes or breaks off.
  static Task<std::string> read(Stream& stream, std::size_t count);
  static Task<std::string> read_to_end(Stream& stream) { return read(stream, SIZE_MAX); }
  // From the raw end, letting the loop run: a model may close a little later than close() was
  // called.
  Task<std::string> read_to_end(Raw& raw);

 private:
  int fds_ = 0;
  std::unique_ptr<Io> io_;
};

// `count` bytes that say where they belong.
std::string pattern(std::size_t count, std::uint64_t seed = 1);

using test::cancelled;
using test::failed_with;
using test::timed_out;
// What a send to or a receive from a dead peer may end with.
template <class T>
bool broken_off(const Result<T>& result) {
  return failed_with(result, std::errc::broken_pipe) ||
         failed_with(result, std::errc::connection_reset);
}

// Every model that can be made here, one of an emulation too; those that are denied are skipped.
inline auto models() {
  std::vector<const char*> names;
  for (const ModelInfo& info : list_models()) {
    if (info.available || info.traits->make) names.push_back(info.traits->name.data());
  }
  return testing::ValuesIn(names);
}
std::string name_of_model(const testing::TestParamInfo<const char*>& info);

#define POLYIO_ON_EVERY_MODEL(fixture) \
  INSTANTIATE_TEST_SUITE_P(Every, fixture, models(), name_of_model)

}  // namespace polyio::contract
