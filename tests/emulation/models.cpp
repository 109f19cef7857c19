// The models of other systems, for the test programs that this file is linked into: their rows of
// the table get what the emulations beside it make.
#include <drivers/emulation.hpp>
#include <drivers/readiness_driver.hpp>
#include <polyio/selectors/devpoll_selector.hpp>
#include <polyio/selectors/kqueue_selector.hpp>

namespace polyio {
namespace {

template <class S>
std::unique_ptr<Driver> over(const DriverOptions& options) {
  return std::make_unique<ReadinessDriver>(std::make_unique<S>(), options.leases);
}

[[maybe_unused]] const bool emulated = [] {
  emulate_model("kqueue", over<KqueueSelector>);
  emulate_model("devpoll", over<DevpollSelector>);
  return true;
}();

}  // namespace
}  // namespace polyio
