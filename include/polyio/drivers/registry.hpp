// Registry: turns the name of an I/O model into a driver, and says which models work on this
// machine and why the others don't. A model is available when doing it worked, not when a version
// number says so.
#pragma once

#include <memory>
#include <polyio/base/clock.hpp>
#include <polyio/base/result.hpp>
#include <polyio/io/driver.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace polyio {

struct ModelInfo {
  std::string model;
  bool available = false;
  std::string reason;                      // why not; empty when available
  std::vector<std::string> architectures;  // that it runs under; the first is its default
  struct Refusal {
    std::string architecture, reason;
  };
  std::vector<Refusal> refusals;  // those that it does not run under, and why
};

// All architectures, in the order in which they are listed.
std::span<const std::string_view> list_architectures() noexcept;

// All models, best first: io_uring, epoll, epoll-et, poll, select, sigio, posix-aio, nonblocking,
// blocking. Probes io_uring and posix-aio, once.
std::vector<ModelInfo> list_models();

// What `auto` stands for here, and why, for the log: "io_uring", or "epoll" with the reason.
struct AutoChoice {
  std::string model;
  std::string why;
};
AutoChoice choose_model();

// What single models can be told; the others don't look at it.
struct DriverOptions {
  // nonblocking: the least time between two rounds of trying; 0 tries all the time, on a core of
  // its own.
  Nanoseconds poll_interval{};
};

// A driver for `model`; "auto" is choose_model(). Errors: EINVAL, unknown name;
// Errc::model_unavailable. Throws std::system_error when descriptors, memory or (sigio, past 28)
// real-time signals run out.
Result<std::unique_ptr<Driver>> make_driver(std::string_view model,
                                            const DriverOptions& options = {});

}  // namespace polyio
