// What an accept(2) that failed means for the one who accepts.
#pragma once

#include <cerrno>
#include <chrono>
#include <polyio/drivers/registry.hpp>
#include <string>
#include <system_error>

namespace polyio {

// How long nothing is accepted after the system ran out of something.
inline constexpr std::chrono::milliseconds exhausted_rest{50};

// The system has run out of descriptors or memory; the connection is still queued.
inline bool exhausted(std::error_code error) noexcept {
  const int value = error.value();
  return value == EMFILE || value == ENFILE || value == ENOBUFS || value == ENOMEM;
}

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

}  // namespace polyio
