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

template <class S, class... Arguments>
std::unique_ptr<Driver> over(Arguments... arguments) {
  return std::make_unique<ReadinessDriver>(std::make_unique<S>(arguments...));
}

}  // namespace

std::vector<ModelInfo> list_models() {
  const std::vector<std::string> loops{"loop", "loops"};
  const std::string& why = io_uring_problem();
  const std::string& aio_why = posix_aio_problem();
  return {{"io_uring", why.empty(), why, loops},
          {"epoll", true, "", loops},
          {"epoll-et", true, "", loops},
          {"poll", true, "", loops},
          {"select", true, "", loops},
          {"sigio", true, "", loops},
          {"posix-aio", aio_why.empty(), aio_why, loops},
          {"nonblocking", true, "", loops},
          {"blocking", true, "", {"thread-per-connection"}}};
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
