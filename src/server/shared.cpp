#include "shared.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <polyio/base/text.hpp>
#include <polyio/drivers/registry.hpp>
#include <polyio/os/socket.hpp>

#include "accept_errors.hpp"

namespace polyio {
namespace {

constexpr std::size_t counters_size = (sizeof(Counters) + alignof(ProcessCounts) - 1) /
                                      alignof(ProcessCounts) * alignof(ProcessCounts);

// Processes that end may overlap those that follow them.
std::size_t process_count(const Dials& dials) {
  return dials.architecture == Architecture::prefork ? std::size_t{4} * dials.workers : 1;
}

}  // namespace

std::vector<Endpoint> endpoints_of(const ServerOptions& options, Handler first) {
  std::vector<Endpoint> all;
  all.push_back({options.listen, options.unix_mode, std::move(first), {}});
  for (const AlsoListen& also : options.also) {
    all.push_back({also.listen, also.unix_mode, also.handler, {}});
  }
  return all;
}

// Whether the socket that listens on `address` takes what comes to `at`, of any of the machine's
// addresses.
bool takes_any(const os::Address& address, const os::Address& at) noexcept {
  return address.is_any() && address.family() == at.family() && address.port() == at.port();
}

// Zero is what an atomic counter begins with, so the fresh pages hold them already.
ServerShared::ServerShared(ServerOptions chosen, Dials settled, Handler serving)
    : options(std::move(chosen)),
      dials(std::move(settled)),
      endpoints(endpoints_of(options, std::move(serving))),
      memory_(counters_size + process_count(dials) * sizeof(ProcessCounts)),
      processes_(
          reinterpret_cast<ProcessCounts*>(static_cast<std::byte*>(memory_.data()) + counters_size),
          process_count(dials)) {}

const Handler& ServerShared::handler_of(int connection) const noexcept {
  if (endpoints.size() == 1) return endpoints.front().handler;
  const auto at = os::local_address(connection);
  if (!at) return endpoints.front().handler;  // the connection is gone already
  const auto exact = std::ranges::find(endpoints, *at, &Endpoint::address);
  if (exact != endpoints.end()) return exact->handler;
  const auto any = std::ranges::find_if(
      endpoints, [&](const Endpoint& one) { return takes_any(one.address, *at); });
  return any == endpoints.end() ? endpoints.front().handler : any->handler;
}

std::uint64_t ServerShared::active() const noexcept {
  std::uint64_t sum = 0;
  for (const ProcessCounts& process : processes_) sum += process.active.load();
  return sum;
}

std::uint64_t ServerShared::waiting() const noexcept {
  std::uint64_t sum = 0;
  for (const auto& process : processes_) sum += process.waiting.load(std::memory_order_relaxed);
  return sum;
}

void ServerShared::log(LogLine line) const noexcept {
  try {
    options.log(line);
  } catch (...) {  // out of memory, say: the server goes on without the line
    return;
  }
}

void ServerShared::stop_begins() noexcept {
  try {
    if (options.on_stop) options.on_stop();
  } catch (...) {
    count_failure("on_stop", std::current_exception());
  }
}

std::unique_ptr<Driver> ServerShared::new_driver(const std::string& model,
                                                 bool one_connection) const {
  try {
    auto driver = make_driver(
        model, {.poll_interval = options.poll_interval, .one_connection = one_connection});
    if (driver) return std::move(*driver);
    throw NoDriver(driver.error(), model);
  } catch (const std::system_error& error) {
    throw NoDriver(error.code(), model);
  }
}

void ServerShared::set_up(Io& io) const {
  io.set_policy(dials.policy);
  if (options.idle_timeout > Nanoseconds::zero()) io.set_idle_timeout(options.idle_timeout);
  io.set_spin(options.spin);
  io.on_lease_shortage([this, &io] { lease_shortage(io); });
}

void ServerShared::lease_shortage(Io& io) const noexcept {
  counters().lease_shortages.fetch_add(1, std::memory_order_relaxed);
  const std::int64_t now = monotonic_now().time_since_epoch() / std::chrono::seconds(1) + 1;
  std::int64_t last = counters().shortage_logged.load(std::memory_order_relaxed);
  if (last != 0 && now - last < 60) return;
  if (!counters().shortage_logged.compare_exchange_strong(last, now)) return;
  const LeaseCounts held = io.driver().leases();
  try {
    log({fmt::format("all receive buffers of a loop are in use, {} large, {} small: clients "
                     "do not read what is sent to them, or handlers hold leases while they wait",
                     held.large, held.own),
         LogLevel::warning});
  } catch (const std::bad_alloc&) {
    log({"all receive buffers of a loop are in use", LogLevel::warning});
  }
}

std::optional<Stream> ServerShared::adopt(Io& io, os::UniqueFd socket) {
  auto stream = io.adopt(std::move(socket));
  if (!stream) {
    refuse({}, why_not_adopted(stream.error()));
    return std::nullopt;
  }
  // Looked at first: the line is every loop's.
  std::atomic<bool>& logged = counters().refusal_logged;
  if (logged.load(std::memory_order_relaxed)) logged.store(false, std::memory_order_relaxed);
  stream->keep_in_drain(false);
  return std::move(*stream);
}

void ServerShared::count_failure(std::string_view what,
                                 const std::exception_ptr& exception) noexcept {
  counters().failed.fetch_add(1, std::memory_order_relaxed);
  try {
    fmt::memory_buffer line;  // takes 500 bytes without memory of the heap
    const auto at_end = fmt::appender(line);
    try {
      std::rethrow_exception(exception);
    } catch (const std::bad_alloc&) {
      fmt::format_to(at_end, "{} threw: out of memory", what);
    } catch (const std::exception& error) {
      fmt::format_to(at_end, "{} threw: {}", what, escape_for_log(error.what(), 1024));
    } catch (...) {
      fmt::format_to(at_end, "{} threw what is not a std::exception", what);
    }
    log({std::string_view(line.data(), line.size()), LogLevel::error});
  } catch (...) {
    log({"something threw, and there is no memory to say what", LogLevel::error});
  }
}

void ServerShared::refuse(os::UniqueFd socket, std::string_view why) noexcept {
  counters().refused.fetch_add(1, std::memory_order_relaxed);
  turn_away(std::move(socket), options.refusal);
  if (counters().refusal_logged.exchange(true, std::memory_order_relaxed)) return;
  try {
    log({fmt::format("a connection was refused: {}", why), LogLevel::warning});
  } catch (...) {
    log({"a connection was refused", LogLevel::warning});
  }
}

// The text would be lost if the kernel reset the connection for unread bytes at the close, so those
// that have come are read.
void turn_away(os::UniqueFd socket, std::string_view text) noexcept {
  if (!socket) return;
  if (text.empty()) return os::reset_on_close(socket.get());
  const iovec part{const_cast<char*>(text.data()), text.size()};
  (void)os::send_now(socket.get(), {&part, 1});
  (void)os::shutdown(socket.get(), SHUT_WR);
  std::array<std::byte, 4096> room;
  for (int i = 0; i < 16 && os::receive_now(socket.get(), room) > 0; ++i) {
  }
}

Task<> serve_connection(ServerShared& shared, Io& io, os::UniqueFd socket) {
  auto stream = shared.adopt(io, std::move(socket));
  if (!stream) co_return;
  try {
    const Handler& handler = shared.handler_of(stream->descriptor());
    co_await handler(io, std::move(*stream));
  } catch (...) {  // the handler's own, or no memory for its frame
    shared.handler_threw(std::current_exception());
  }
}

}  // namespace polyio
