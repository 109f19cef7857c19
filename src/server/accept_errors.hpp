// What an accept(2) that failed means, and what a model says when it takes no more connections.
#pragma once

#include <fmt/format.h>

#include <cerrno>
#include <chrono>
#include <polyio/drivers/registry.hpp>
#include <string>
#include <system_error>
#include <utility>

#include "shared.hpp"

namespace polyio {

// Errors of one connection, not of the listener (accept(2)).
inline bool concerns_one_connection(std::error_code error) noexcept {
  switch (error.value()) {
    case ECONNABORTED:
    case EPROTO:
    case EPERM:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EINTR:
    case EAGAIN: return true;
    default: return false;
  }
}

// Why a model took no accepted connection, which is closed then; else nullptr.
inline const char* refused_by_model(std::error_code error) noexcept {
  for (const ModelTraits& row : model_table()) {
    if (row.limit.error != 0 && error == errno_code(row.limit.error)) return row.limit.reason;
  }
  return nullptr;
}

// Why a connection that is accepted could not be made an Io's, for the log.
inline std::string why_not_adopted(std::error_code error) {
  const char* const why = refused_by_model(error);
  return why ? why : error.message();
}

// The accepts of one listener: counts them, and says after one that failed how to go on.
class AcceptOutcomes {
 public:
  // How long nothing is accepted after a failure that is not one connection's. When descriptors or
  // memory have run out the connections stay in the backlog.
  static constexpr std::chrono::milliseconds rest{50};

  explicit AcceptOutcomes(ServerShared& shared) noexcept : shared_(shared) {}
  void succeeded() noexcept {
    logged_ = false;
    shared_.counters().accepted.fetch_add(1, std::memory_order_relaxed);
  }
  // True: accept nothing for `rest`; counted, and logged once until an accept succeeds.
  bool failed(std::error_code error) {
    if (concerns_one_connection(error)) return false;
    shared_.counters().accept_errors.fetch_add(1, std::memory_order_relaxed);
    if (std::exchange(logged_, true)) return true;
    const int value = error.value();
    const bool exhausted =
        value == EMFILE || value == ENFILE || value == ENOBUFS || value == ENOMEM;
    shared_.log(fmt::format("accept: {}; {}", error.message(),
                            exhausted ? "waiting until some are free" : "trying again"));
    return true;
  }

 private:
  ServerShared& shared_;
  bool logged_ = false;
};

}  // namespace polyio
