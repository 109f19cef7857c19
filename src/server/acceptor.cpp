#include "acceptor.hpp"

#include <fmt/format.h>

#include <utility>

#include "accept_errors.hpp"

namespace polyio {
namespace {

constexpr std::chrono::milliseconds look_round{20};

}  // namespace

void Acceptor::listen(os::UniqueFd socket, bool shared) {
  auto listener = io_.adopt_listener(std::move(socket), shared);
  if (!listener) throw std::system_error(listener.error(), "can't listen");
  listener_ = std::move(*listener);
}

void Acceptor::stop() noexcept {
  stopped_ = true;
  if (scope_) scope_->cancel();
}

void Acceptor::look_again() {
  io_.post([this] {
    if (job_) io_.unpark(*job_);
  });
}

Task<Result<Stream>> Acceptor::next() {
  while (!stopped_) {
    if (!room_.may_accept()) {
      co_await wait_for_room();
      continue;
    }
    CancelScope scope(io_);
    scope_ = &scope;
    auto stream = co_await listener_.accept();
    scope_ = nullptr;
    if (stream) {
      exhausted_ = false;
      shared_.counters().accepted.fetch_add(1, std::memory_order_relaxed);
      if (room_.enter(*stream)) co_return std::move(*stream);
    } else if (!scope.cancelled()) {
      co_await recover(stream.error());
    } else if (!stopped_) {
      co_return fail(stream.error());  // cancelled from outside
    }
  }
  if (!std::exchange(retired_, true) && listener_ && !listener_.stop_accepting()) listener_.close();
  while (listener_) {
    auto stream = co_await listener_.accept();
    if (!stream) break;
    shared_.counters().accepted.fetch_add(1, std::memory_order_relaxed);
    if (room_.enter(*stream)) co_return std::move(*stream);
  }
  listener_.close();
  co_return fail(ECANCELED);
}

// Room in another process is not told, so it is looked for.
Task<> Acceptor::wait_for_room() {
  const auto span = room_.others_have_places() ? Nanoseconds(look_round) : Nanoseconds::max();
  CancelScope scope(io_, span);
  scope_ = &scope;
  job_ = &io_.current();
  while (!stopped_ && !room_.may_accept()) {
    auto parked = co_await io_.park();
    if (!parked) break;
  }
  job_ = nullptr;
  scope_ = nullptr;
}

// After an accept that failed: the reason decides whether to go on at once, and it is told once.
Task<> Acceptor::recover(std::error_code error) {
  if (concerns_one_connection(error)) co_return;
  Counters& counters = shared_.counters();
  if (const char* const why = refused_by_model(error)) {
    counters.refused.fetch_add(1, std::memory_order_relaxed);
    if (!std::exchange(exhausted_, true)) {
      shared_.log(fmt::format("a connection was refused: {}", why));
    }
    co_return;
  }
  counters.accept_errors.fetch_add(1, std::memory_order_relaxed);
  if (!std::exchange(exhausted_, true)) {
    shared_.log(fmt::format("accept: {}; {}", error.message(),
                            exhausted(error) ? "waiting until some are free" : "going on"));
  }
  CancelScope scope(io_);
  scope_ = &scope;
  auto rested = co_await io_.sleep(exhausted_rest);
  scope_ = nullptr;
  (void)rested;
}

}  // namespace polyio
