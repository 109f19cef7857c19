// Questions to a Result, and an assertion for coroutines.
#pragma once

#include <gtest/gtest.h>

#include <polyio/base/result.hpp>
#include <system_error>

namespace polyio::test {

template <class T>
bool failed_with(const Result<T>& result, std::errc code) {
  return !result && result.error() == code;
}
template <class T>
bool cancelled(const Result<T>& result) {
  return failed_with(result, std::errc::operation_canceled);
}
template <class T>
bool timed_out(const Result<T>& result) {
  return failed_with(result, std::errc::timed_out);
}

}  // namespace polyio::test

// ASSERT_TRUE for coroutines.
#define POLYIO_REQUIRE(condition)       \
  if (!(condition)) {                   \
    ADD_FAILURE() << "not " #condition; \
    co_return;                          \
  }
