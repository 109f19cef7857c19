// Registry: the table of I/O models, one row each. A row says how the model waits, where it runs
// and where not, what its limits are and how it is made; the registry, the program's help, the
// tests and the docs read it, and nothing else lists models (docs/adding-a-model.md). A model is
// available when doing it worked, not when a version number says so.
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

// What some models take; the others don't look at it.
struct DriverOptions {
  // Models that poll: the least time between two rounds of trying; 0 tries all the time, on a core
  // of its own.
  Nanoseconds poll_interval{};
  // One connection at a time: io_uring takes a small ring, for there may be one for each.
  bool one_connection = false;
  // Large receive buffers at most, of 64 KiB each (io/lease_pool.hpp): for tests.
  std::uint32_t leases = lease_limit;
};

// One row of the table. Texts are parts of a sentence, for help, logs and refusals.
struct ModelTraits {
  using Make = std::unique_ptr<Driver> (*)(const DriverOptions&);
  struct Refusal {
    std::string_view architecture, reason;
  };
  // What Io::adopt() answers for a socket past the model's own ceiling, and how a log says it.
  struct Limit {
    int error = 0;
    const char* reason = nullptr;
  };

  std::string_view name;
  std::string_view waits;                  // how it waits
  std::string_view system = "Linux";       // where the mechanism is found
  std::span<const Refusal> refusals = {};  // architectures that it does not run under
  Limit limit = {};
  // One thread waits for many connections; else each call waits in place, on a thread of its own.
  bool has_loop = true;
  bool polls = false;  // asks again and again, and never sleeps of its own accord
  // Why several loops can't wait for one listening socket together; empty when they can.
  std::string_view unshared_listener = {};
  // Why an Io can't change to this model or from it (Io::set_driver); empty when it can.
  std::string_view unchangeable = {};
  // The suites run it over an emulation of its system calls (tests/emulation).
  bool emulated = false;
  // Why it can't be used on this machine, asked once; empty when it can. nullptr: it always can.
  std::string (*probe)() = nullptr;
  // nullptr: its mechanism is another system's. Throws std::system_error when descriptors, memory
  // or what else it takes run out.
  Make make = nullptr;
};

// Every model, best first. Thread-safe; the rows live as long as the program.
std::span<const ModelTraits> model_table() noexcept;
// The row of `model`, or nullptr. Thread-safe.
const ModelTraits* find_model(std::string_view model) noexcept;

// A row of the table, as it is on this machine.
struct ModelInfo {
  using Refusal = ModelTraits::Refusal;
  std::string model;
  bool available = false;
  std::string reason;                      // why not; empty when available
  std::vector<std::string> architectures;  // that it runs under; the first is its default
  std::vector<Refusal> refusals;           // those that it does not run under, and why
  const ModelTraits* traits = nullptr;     // never nullptr in what list_models() returns
};

// All architectures, in the order in which they are listed.
std::span<const std::string_view> list_architectures() noexcept;

// All models, in the order of the table, also those that can't be used here. Probes, once.
std::vector<ModelInfo> list_models();

// What `auto` stands for here: the first of the table that can be used; and why, for the log. One
// that was tried and could not be had can be left out, `failed`, with the reason.
struct AutoChoice {
  std::string model;
  std::string why;
};
AutoChoice choose_model(std::string_view failed = {}, std::string_view reason = {});

// A driver for `model`; "auto" is choose_model(). Errors: EINVAL, unknown name;
// Errc::model_unavailable. Throws std::system_error when descriptors, memory or (sigio, past 28)
// real-time signals run out.
Result<std::unique_ptr<Driver>> make_driver(std::string_view model,
                                            const DriverOptions& options = {});

}  // namespace polyio
