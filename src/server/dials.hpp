// The dials of a server, read once: the words of the options as values, with what they leave open
// filled in. Everybody else asks these, never the words.
#pragma once

#include <cstdint>
#include <optional>
#include <polyio/drivers/registry.hpp>
#include <polyio/sched/kind.hpp>
#include <polyio/server/server.hpp>

namespace polyio {

// In the order of list_architectures().
enum class Architecture : std::uint8_t {
  loop,
  loops,
  thread_per_connection,
  thread_pool,
  prefork,
  process_per_connection,
  iterative,
};
// How the loops of architecture `loops` get their connections.
enum class Accepting : std::uint8_t { hand_over, shared, reuseport };

struct Dials {
  std::string model;  // never "auto"
  Architecture architecture = Architecture::loop;
  Accepting accepting = Accepting::hand_over;
  sched::Kind policy = sched::Kind::fcfs;
  unsigned workers = 1;
  std::optional<std::size_t> max_waiting{};
};

// Reads the options, which have a log. Throws std::invalid_argument, which says what to do, for
// what makes no sense.
Dials settle_dials(const ServerOptions& options);

// Whether a server that runs with `dials`, and with model `before` now, can change to `model`, and
// to what "auto" is. Throws std::invalid_argument, which says what to do, if it can't.
std::string settle_change(const ServerOptions& options, const Dials& dials,
                          const std::string& before, std::string_view model);

// What a server's `listen` means. Throws std::invalid_argument, which says what to do.
os::Address parse_listen(const std::string& listen);

// What the registry says of a model that can be used here ("auto" is none). Throws
// std::invalid_argument, which says what to do, for an unknown one and one that can't be used.
ModelInfo usable_model(std::string_view model);

// None: there is no such architecture.
std::optional<Architecture> find_architecture(std::string_view name) noexcept;
std::string_view name_of(Architecture architecture) noexcept;

// Its connections are served by processes forked for it.
bool forks(Architecture architecture) noexcept;
// Its connections are served by threads that have one each.
bool serves_in_threads(Architecture architecture) noexcept;
// Its processes or threads are a fixed number and serve one connection each, so that their number
// is the ceiling.
bool workers_are_places(Architecture architecture, std::string_view model) noexcept;
inline bool workers_are_places(const Dials& dials) noexcept {
  return workers_are_places(dials.architecture, dials.model);
}

}  // namespace polyio
