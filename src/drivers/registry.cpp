#include <polyio/drivers/registry.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <mutex>
#include <polyio/base/assert.hpp>
#include <polyio/selectors/busy_selector.hpp>
#include <polyio/selectors/devpoll_selector.hpp>
#include <polyio/selectors/epoll_selector.hpp>
#include <polyio/selectors/kqueue_selector.hpp>
#include <polyio/selectors/poll_selector.hpp>
#include <polyio/selectors/select_selector.hpp>
#include <polyio/selectors/signal_selector.hpp>

#include "blocking_driver.hpp"
#include "emulation.hpp"
#include "posix_aio_driver.hpp"
#include "readiness_driver.hpp"
#include "uring_driver.hpp"

namespace polyio {
namespace {

using Make = ModelTraits::Make;
using Refusal = ModelTraits::Refusal;

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

template <class D>
std::unique_ptr<Driver> make(const DriverOptions& options) {
  return std::make_unique<D>(options.leases);
}

template <class S, auto... arguments>
std::unique_ptr<Driver> over(const DriverOptions& options) {
  return std::make_unique<ReadinessDriver>(std::make_unique<S>(arguments...), options.leases);
}

std::unique_ptr<Driver> polling(const DriverOptions& options) {
  return std::make_unique<ReadinessDriver>(std::make_unique<BusySelector>(options.poll_interval),
                                           options.leases);
}

std::unique_ptr<Driver> uring(const DriverOptions& options) {
  // The ring of buffers is locked memory, too.
  const std::uint32_t most = options.one_connection ? 64 : lease_limit;
  return std::make_unique<UringDriver>(std::min(options.leases, most), options.one_connection);
}

// A selector of another system is declared here, but not defined.
template <class S>
consteval Make over_where_it_is() {
  if constexpr (requires { sizeof(S); }) {
    return over<S>;
  } else {
    return nullptr;
  }
}

constexpr auto table = std::to_array<ModelTraits>({
    {.name = "io_uring",
     .waits = "operations go into a ring, results come out of another; the kernel waits and copies",
     .probe = probe_io_uring,
     .make = uring},
    {.name = "epoll",
     .waits = "one call for all, which returns what is ready; level-triggered",
     .make = over<EpollSelector, Trigger::level>},
    {.name = "epoll-et",
     .waits = "one call for all, which returns what has become ready; edge-triggered",
     .make = over<EpollSelector, Trigger::edge>},
    {.name = "kqueue",
     .waits = "one call for all, which returns what is ready; the BSDs' epoll",
     .system = "macOS and the BSDs",
     .emulated = true,
     .make = over_where_it_is<KqueueSelector>()},
    {.name = "devpoll",
     .waits = "one call for all, about a set that the kernel keeps; Solaris' poll",
     .system = "Solaris",
     .emulated = true,
     .make = over_where_it_is<DevpollSelector>()},
    {.name = "poll",
     .waits = "one call for all, which is handed the whole array each time",
     .system = "any POSIX system",
     .make = over<PollSelector>},
    {.name = "select",
     .waits = "one call for all descriptors below 1,024, which is handed all their bits each time",
     .system = "any POSIX system",
     .limit = {EOVERFLOW, "its descriptor is too large for select(2)"},
     .make = over<SelectSelector>},
    {.name = "sigio",
     .waits = "a real-time signal for each thing that happens, taken one by one",
     .refusals = sigio_refusals,
     .unshared_listener = "the signals of a socket go to one loop only",
     .make = over<SignalSelector>},
    {.name = "posix-aio",
     .waits = "aio_read: helper threads wait and copy, a signal reports the end",
     .refusals = posix_aio_refusals,
     .limit = {EUSERS, "posix-aio has a helper thread for no more of them"},
     .unchangeable = "a read that a helper thread has begun can't be taken back",
     .probe = probe_posix_aio,
     .make = make<PosixAioDriver>},
    {.name = "nonblocking",
     .waits = "not at all: the loop tries every call again and again",
     .system = "any POSIX system",
     .refusals = nonblocking_refusals,
     .polls = true,
     .make = polling},
    {.name = "blocking",
     .waits = "in the call itself, on a thread for each",
     .system = "any POSIX system",
     .refusals = blocking_refusals,
     .has_loop = false,
     .unchangeable = "each connection waits in a call, on a thread of its own",
     .make = make<BlockingDriver>},
});

// What the tests put in the place of the row's own: emulation.hpp.
constinit std::array<Make, table.size()> emulations{};

std::size_t index_of(const ModelTraits& row) noexcept {
  return static_cast<std::size_t>(&row - table.data());
}

Make make_of(const ModelTraits& row) noexcept {
  const Make emulation = emulations[index_of(row)];
  return emulation ? emulation : row.make;
}

std::string ask(const ModelTraits& row) {
  if (row.make) return row.probe ? row.probe() : std::string();
  return std::string(row.name) + " is of " + std::string(row.system) +
         "; here it runs only in the tests, over an emulation";
}

// Why it can't be used here; empty when it can. A probe is made when its row is asked for, and
// once: that of posix-aio starts a thread for a moment.
const std::string& problem_of(const ModelTraits& row) {
  struct Answer {
    std::once_flag asked;
    std::string problem;
  };
  static std::array<Answer, table.size()> answers;
  static const std::string none;
  if (emulations[index_of(row)]) return none;
  Answer& answer = answers[index_of(row)];
  std::call_once(answer.asked, [&] { answer.problem = ask(row); });
  return answer.problem;
}

ModelInfo info_of(const ModelTraits& row) {
  ModelInfo info{.model = std::string(row.name),
                 .reason = problem_of(row),
                 .architectures = {},
                 .refusals = {row.refusals.begin(), row.refusals.end()},
                 .traits = &row};
  info.available = info.reason.empty();
  for (const std::string_view architecture : list_architectures()) {
    if (std::ranges::find(row.refusals, architecture, &Refusal::architecture) ==
        row.refusals.end()) {
      info.architectures.emplace_back(architecture);
    }
  }
  return info;
}

}  // namespace

std::span<const std::string_view> list_architectures() noexcept {
  static constexpr std::array<std::string_view, 7> all{
      "loop",        "loops",   "thread-per-connection",
      "thread-pool", "prefork", "process-per-connection",
      "iterative"};
  return all;
}

std::span<const ModelTraits> model_table() noexcept { return table; }

const ModelTraits* find_model(std::string_view model) noexcept {
  const auto* const row = std::ranges::find(table, model, &ModelTraits::name);
  return row == table.end() ? nullptr : row;
}

std::vector<ModelInfo> list_models() {
  std::vector<ModelInfo> all;
  all.reserve(table.size());
  for (const ModelTraits& row : table) all.push_back(info_of(row));
  return all;
}

AutoChoice choose_model(std::string_view failed, std::string_view reason) {
  std::string why;  // not the best
  for (const ModelTraits& row : table) {
    const std::string problem(row.name == failed ? reason : problem_of(row));
    if (problem.empty()) return {std::string(row.name), why.empty() ? "it works here" : why};
    if (why.empty()) why = std::string(row.name) + " can't be used (" + problem + ")";
  }
  POLYIO_ASSERT(false);  // the last one asks for nothing
  return {};
}

Result<std::unique_ptr<Driver>> make_driver(std::string_view model, const DriverOptions& options) {
  if (model == "auto") return make_driver(choose_model().model, options);
  const ModelTraits* const row = find_model(model);
  if (!row) return fail(EINVAL);
  if (!problem_of(*row).empty()) return fail(Errc::model_unavailable);
  return make_of(*row)(options);
}

void emulate_model(std::string_view model, Make make) noexcept {
  const ModelTraits* const row = find_model(model);
  POLYIO_ASSERT(row);
  emulations[index_of(*row)] = make;
}

}  // namespace polyio
