#include "process_worker.hpp"

#include <cstring>
#include <polyio/exec/remote_call.hpp>
#include <polyio/process/process.hpp>

namespace polyio::detail {
namespace {

constexpr std::array<const std::error_category& (*)() noexcept, 4> categories{
    std::generic_category, std::system_category, polyio_category, process::category};

class Worker {
 public:
  Worker(WorkerDesk& desk, os::Wakeup& bell) noexcept : desk_(desk), bell_(bell) {}

  // Until it is killed.
  int work() {
    desk_.words->ready.store(1);
    for (;;) {
      bool begins = false;
      auto took =
          desk_.tasks.take([&](std::span<const std::byte> bytes) { begins = begin(bytes); });
      if (!took) return 1;
      if (!begins) continue;
      run();
      // What a task prints is seen before its result, and not lost with a worker that is killed.
      process::detail::flush_all();
      auto put = desk_.results.put(result_);
      if (!put && put.error() == std::errc::message_size) {
        end_with_error(put.error());
        put = desk_.results.put(result_);
      }
      if (!put) return 1;
      ring();
    }
  }

 private:
  // False: the pool has taken it back.
  bool begin(std::span<const std::byte> bytes) {
    task_.assign(bytes.begin(), bytes.end());
    std::memcpy(&head_, task_.data(), sizeof head_);
    std::uint64_t offered = head_.number;
    return desk_.words->offer(head_.number)
        .compare_exchange_strong(offered, head_.number | WorkerWords::begun);
  }

  void run() {
    const TimePoint start = monotonic_now();
    result_.resize(sizeof(ResultHead));
    try {
      const auto entry =
          reinterpret_cast<RemoteEntry>(const_cast<void*>(process::detail::code_at(head_.entry)));
      serial::Reader reader(std::span<const std::byte>(task_).subspan(sizeof head_));
      serial::Writer writer(result_);
      auto ran = entry(process::detail::code_at(head_.function), reader, writer);
      if (!ran) return end_with_error(ran.error());
      write_head(ResultHead::Kind::value, monotonic_now() - start);
    } catch (const std::exception& error) {
      end_with_exception(error.what());
    } catch (...) {
      end_with_exception("an exception of unknown type");
    }
  }
  void end_with_error(std::error_code error) {
    result_.resize(sizeof(ResultHead));
    serial::Writer writer(result_);
    write_error(writer, error);
    write_head(ResultHead::Kind::error, {});
  }
  void end_with_exception(std::string what) {
    what.resize(std::min(what.size(), (desk_.results.largest() - sizeof(ResultHead)) / 2));
    result_.resize(sizeof(ResultHead));
    serial::Writer writer(result_);
    writer(what);
    write_head(ResultHead::Kind::exception, {});
  }
  void write_head(ResultHead::Kind kind, Nanoseconds ran_for) noexcept {
    const ResultHead head{head_.number, ran_for.count(), kind};
    std::memcpy(result_.data(), &head, sizeof head);
  }

  // Store-load fence (Dekker): either the pool's thread sees the result before it sleeps, or we see
  // that it listens.
  void ring() noexcept {
    std::atomic_thread_fence(std::memory_order_seq_cst);
    auto& listening = desk_.words->listening;
    if (listening.load() != 0 && listening.exchange(0) != 0) bell_.signal();
  }

  WorkerDesk& desk_;
  os::Wakeup& bell_;
  TaskHead head_;
  std::vector<std::byte> task_, result_;
};

}  // namespace

int run_pool_zygote(process::Connection control, PoolBell bell, std::vector<WorkerDesk> desks) {
  return process::Zygote::serve(std::move(control), [&](std::uint32_t place) {
    return Worker(desks.at(place), *bell.wakeup).work();
  });
}

void write_error(serial::Writer& writer, std::error_code error) {
  std::uint32_t category = 0;
  while (category < categories.size() && categories[category]() != error.category()) ++category;
  writer(category, error.value());
  if (category == categories.size()) writer(error.message());
}

std::error_code read_error(serial::Reader& reader) {
  std::uint32_t category = 0;
  int value = 0;
  reader(category, value);
  if (category < categories.size()) return {value, categories[category]()};
  std::string message;
  reader(message);
  throw RemoteException(message);
}

}  // namespace polyio::detail
