// The worker's side of a ProcessPoolExecutor, and the memory that it shares with the pool. The rule
// that nothing is lost or done twice: a task that is handed to a worker is offered in a word under
// its number, and whoever changes that word first has it: the worker to begin it, or the pool to
// take it back. So when a worker has died the pool knows the one task that it had begun.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <polyio/ipc/shared_memory.hpp>
#include <polyio/os/wakeup.hpp>
#include <polyio/process/zygote.hpp>
#include <polyio/queue/queue.hpp>
#include <vector>

namespace polyio::detail {

struct WorkerWords {
  static constexpr std::uint64_t places = 64, begun = std::uint64_t{1} << 63;

  std::atomic<std::uint64_t>& offer(std::uint64_t number) { return offers[number % places]; }

  alignas(64) std::atomic<std::uint32_t> ready{0};  // the worker is up
  std::atomic<std::uint32_t> listening{0};          // 1: the pool's thread sleeps, ring for it
  alignas(64) std::array<std::atomic<std::uint64_t>, places> offers{};
};

// What the pool and one worker share, and the next worker in its place after that. The words and
// the queues of a worker are written by the pool and by that worker alone, so one that is stopped
// at any instruction holds up no other.
struct WorkerDesk {
  WorkerDesk() = default;
  explicit WorkerDesk(const ipc::QueueOptions& queues) : tasks(queues), results(queues) {}
  ipc::ByteQueue tasks, results;
  ipc::Shared<WorkerWords> words;
  void serialize(auto& archive) { archive(tasks, results, words); }
};

// Wakes the pool's thread. Copies are the same one.
struct PoolBell {
  std::shared_ptr<os::Wakeup> wakeup;
  void save(serial::Writer& writer) const { writer.add_descriptor(wakeup->fd()); }
  void load(serial::Reader& reader) {
    wakeup = std::make_shared<os::Wakeup>(os::UniqueFd(reader.take_descriptor()));
  }
};

// The zygote's main.
int run_pool_zygote(process::Connection control, PoolBell bell, std::vector<WorkerDesk> desks);

// --- outcomes that are no value, as bytes ---
void write_error(serial::Writer& writer, std::error_code error);
// What write_error() wrote; one of a category that this library does not know is thrown as a
// RemoteException. Throws cereal::Exception.
std::error_code read_error(serial::Reader& reader);

}  // namespace polyio::detail
