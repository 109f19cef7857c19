#include <algorithm>
#include <array>
#include <polyio/drivers/registry.hpp>
#include <polyio/selectors/busy_selector.hpp>
#include <polyio/selectors/epoll_selector.hpp>
#include <polyio/selectors/poll_selector.hpp>
#include <polyio/selectors/select_selector.hpp>
#include <polyio/selectors/signal_selector.hpp>

#include "blocking_driver.hpp"
#include "posix_aio_driver.hpp"
#include "readiness_driver.hpp"
#include "uring_driver.hpp"

namespace polyio {
namespace {

const std::string& io_uring_problem() {
  static const std::string why = probe_io_uring();
  return why;
}

const std::string& posix_aio_problem() {
  static const std::string why = probe_posix_aio();
  return why;
}

struct Refusal {
  std::string_view architecture, reason;
};

constexpr std::string_view one_call = "one blocking call would hold up all connections of the loop";
constexpr std::array<Refusal, 2> blocking_refusals{{{"loop", one_call}, {"loops", one_call}}};
constexpr std::string_view a_signal_each =
    "each thread would need a real-time signal of its own, of which a process has about 30";
// F_SETOWN(2) is the open file's, and a forked process has the same open file.
constexpr std::array<Refusal, 3> sigio_refusals{
    {{"thread-per-connection", a_signal_each},
     {"thread-pool", a_signal_each},
     {"prefork",
      "the processes share one listening socket, whose signals go to one of them only"}}};
constexpr std::string_view a_core_each = "each of its threads or processes would burn a core";
constexpr std::array<Refusal, 3> nonblocking_refusals{{{"thread-per-connection", a_core_each},
                                                       {"thread-pool", a_core_each},
                                                       {"process-per-connection", a_core_each}}};
constexpr std::array<Refusal, 1> posix_aio_refusals{
    {{"thread-per-connection",
      "the helper threads that do its calls are shared by the whole process"}}};

ModelInfo row(std::string_view model, std::string_view problem = "",
              std::span<const Refusal> refusals = {}) {
  ModelInfo info{.model = std::string(model),
                 .available = problem.empty(),
                 .reason = std::string(problem),
                 .architectures = {},
                 .refusals = {}};
  for (const std::string_view architecture : list_architectures()) {
    const auto refused = std::ranges::find(refusals, architecture, &Refusal::architecture);
    if (refused == refusals.end()) {
      info.architectures.emplace_back(architecture);
    } else {
      info.refusals.push_back({std::string(architecture), std::string(refused->reason)});
    }
  }
  return info;
}

template <class S, class... Arguments>
std::unique_ptr<Driver> over(Arguments... arguments) {
  return std::make_unique<ReadinessDriver>(std::make_unique<S>(arguments...));
}

}  // namespace

std::span<const std::string_view> list_architectures() noexcept {
  static constexpr std::array<std::string_view, 7> all{
      "loop",        "loops",   "thread-per-connection",
      "thread-pool", "prefork", "process-per-connection",
      "iterative"};
  return all;
}

// A line for each model, also for one that is refused nothing.
std::vector<ModelInfo> list_models() {
  return {row("io_uring", io_uring_problem()),
          row("epoll"),
          row("epoll-et"),
          row("poll"),
          row("select"),
          row("sigio", "", sigio_refusals),
          row("posix-aio", posix_aio_problem(), posix_aio_refusals),
          row("nonblocking", "", nonblocking_refusals),
          row("blocking", "", blocking_refusals)};
}

AutoChoice choose_model() {
  const std::string& why = io_uring_problem();
  if (why.empty()) return {"io_uring", "it works here"};
  return {"epoll", "io_uring can't be used (" + why + ")"};
}

Result<std::unique_ptr<Driver>> make_driver(std::string_view model, const DriverOptions& options) {
  if (model == "auto") return make_driver(choose_model().model, options);
  if (model == "io_uring") {
    if (!io_uring_problem().empty()) return fail(Errc::model_unavailable);
    return std::make_unique<UringDriver>();
  }
  if (model == "epoll") return over<EpollSelector>(Trigger::level);
  if (model == "epoll-et") return over<EpollSelector>(Trigger::edge);
  if (model == "poll") return over<PollSelector>();
  if (model == "select") return over<SelectSelector>();
  if (model == "sigio") return over<SignalSelector>();
  if (model == "nonblocking") return over<BusySelector>(options.poll_interval);
  if (model == "posix-aio") {
    if (!posix_aio_problem().empty()) return fail(Errc::model_unavailable);
    return std::make_unique<PosixAioDriver>();
  }
  if (model == "blocking") return std::make_unique<BlockingDriver>();
  return fail(EINVAL);
}

}  // namespace polyio
