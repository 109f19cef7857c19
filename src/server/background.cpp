#include <polyio/io/cancel_scope.hpp>
#include <polyio/server/background.hpp>

namespace polyio {

Task<bool> Background::pause(Nanoseconds span) {
  const CancelScope limit(io_, span);
  auto stopped = co_await stopping_.wait(io_);
  co_return !stopped && limit.timed_out();
}

}  // namespace polyio
