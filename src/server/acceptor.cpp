#include "acceptor.hpp"

#include "cleared.hpp"

namespace polyio {
namespace {

constexpr std::chrono::milliseconds look_round{20};

}  // namespace

void Acceptor::listen(os::UniqueFd socket, bool shared) {
  auto listener = io_.adopt_listener(std::move(socket), shared);
  if (!listener) throw std::system_error(listener.error(), "can't listen");
  listener_ = std::move(*listener);
}

Task<Result<os::UniqueFd>> Acceptor::next() {
  while (!retires()) {
    if (!room_.may_accept()) {
      co_await wait_for_room();
      continue;
    }
    CancelScope scope(io_);
    scope_ = &scope;
    auto socket = co_await listener_.accept_socket();
    scope_ = nullptr;
    if (socket) {
      outcomes_.succeeded();
      if (room_.enter(*socket)) co_return std::move(*socket);
    } else if (!scope.cancelled()) {
      if (outcomes_.failed(socket.error())) co_await rest();
    } else if (!retires()) {
      co_return fail(socket.error());  // cancelled from outside
    }
  }
  if (listener_ && !listener_.stop_accepting()) listener_.close();
  while (listener_) {
    auto socket = co_await listener_.accept_socket();
    if (!socket) break;
    outcomes_.succeeded();
    if (room_.enter(*socket)) co_return std::move(*socket);
  }
  listener_.close();
  co_return fail(ECANCELED);
}

// A place that another process gives up wakes no task here, so it is looked for now and then.
Task<> Acceptor::wait_for_room() {
  const auto span = room_.others_have_places() ? Nanoseconds(look_round) : Nanoseconds::max();
  CancelScope scope(io_, span);
  scope_ = &scope;
  job_ = &io_.current();
  const Cleared scope_at_the_end(scope_);
  const Cleared job_at_the_end(job_);
  while (!retires() && !room_.may_accept()) {
    auto parked = co_await io_.park();
    if (!parked) break;
  }
}

Task<> Acceptor::rest() {
  CancelScope scope(io_);
  scope_ = &scope;
  const Cleared at_the_end(scope_);
  auto rested = co_await io_.sleep(AcceptOutcomes::rest);
  (void)rested;
}

}  // namespace polyio
