#include "shared.hpp"

#include <fmt/format.h>

#include <array>
#include <polyio/drivers/registry.hpp>
#include <polyio/os/socket.hpp>
#include <polyio/base/text.hpp>

#include "accept_errors.hpp"

namespace polyio {
namespace {

constexpr std::size_t counters_size =
    (sizeof(Counters) + alignof(Seat) - 1) / alignof(Seat) * alignof(Seat);

}  // namespace

// Zero is what an atomic counter begins with, so the fresh pages hold them already.
ServerShared::ServerShared(ServerOptions chosen, Handler serving, std::size_t seats)
    : options(std::move(chosen)),
      handler(std::move(serving)),
      memory_(counters_size + seats * sizeof(Seat)),
      seats_(reinterpret_cast<Seat*>(static_cast<std::byte*>(memory_.data()) + counters_size),
             seats) {}

std::uint64_t ServerShared::active() const noexcept {
  std::uint64_t sum = 0;
  for (const Seat& seat : seats_) sum += seat.active.load();
  return sum;
}

std::uint64_t ServerShared::waiting() const noexcept {
  std::uint64_t sum = 0;
  for (const Seat& seat : seats_) sum += seat.waiting.load(std::memory_order_relaxed);
  return sum;
}

void ServerShared::log(std::string_view line) const noexcept {
  try {
    options.log(line);
  } catch (...) {  // out of memory, say: the server goes on without the line
    return;
  }
}

std::unique_ptr<Driver> ServerShared::new_driver() const {
  auto driver = make_driver(options.model, {.poll_interval = options.poll_interval});
  if (!driver) throw std::system_error(driver.error(), options.model);
  return std::move(*driver);
}

void ServerShared::handler_threw(const std::exception_ptr& exception) noexcept {
  counters().failed.fetch_add(1, std::memory_order_relaxed);
  try {
    std::rethrow_exception(exception);
  } catch (const std::bad_alloc&) {
    log("a handler threw: out of memory");
  } catch (const std::exception& error) {
    try {
      log(fmt::format("a handler threw: {}", escape_for_log(error.what(), 1024)));
    } catch (...) {
      log("a handler threw, and there is no memory to say what");
    }
  } catch (...) {
    log("a handler threw what is not a std::exception");
  }
}

void ServerShared::refuse(os::UniqueFd socket, std::string_view why) noexcept {
  counters().refused.fetch_add(1, std::memory_order_relaxed);
  turn_away(std::move(socket), options.refusal);
  if (counters().told.exchange(true, std::memory_order_relaxed)) return;
  try {
    log(fmt::format("a connection was refused: {}", why));
  } catch (...) {
    log("a connection was refused");
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

Task<> serve_connection(ServerShared& shared, Io& io, Stream stream) {
  try {
    co_await shared.handler(io, std::move(stream));
  } catch (...) {  // the handler's own, or no memory for its frame
    shared.handler_threw(std::current_exception());
  }
}

Task<> serve_connection(ServerShared& shared, Io& io, os::UniqueFd socket) {
  auto stream = io.adopt(std::move(socket));
  if (!stream) {
    shared.refuse({}, why_not_adopted(stream.error()));
    co_return;
  }
  co_await serve_connection(shared, io, std::move(*stream));
}

}  // namespace polyio
