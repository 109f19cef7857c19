// A connection between two ends of the simulated network, for tests of one thing at a time.
#pragma once

#include <polyio/io/stream.hpp>
#include <polyio/io/task_group.hpp>

#include "explore.hpp"

namespace polyio::sim_test {

inline os::Address address(const char* text) { return *os::Address::parse(text); }

inline SimOptions without_faults(std::uint64_t seed) {
  SimOptions options;
  options.seed = seed;
  return options;
}

struct Pair {
  Stream client, server;
};

inline Task<> connect_into(Io& io, os::Address to, Stream& into) {
  auto stream = co_await io.connect(to);
  require(stream.has_value(), "no connection");
  into = std::move(*stream);
}

// Both ends of a new connection to `listener`.
inline Task<Pair> make_pair(Io& io, Listener& listener) {
  Pair pair;
  auto both = [&](TaskGroup& group) -> Task<> {
    (void)group.spawn(connect_into, io, *listener.local_address(), pair.client);
    auto accepted = co_await listener.accept();
    require(accepted.has_value(), "not accepted");
    pair.server = std::move(*accepted);
  };
  co_await with_task_group(io, both);
  co_return std::move(pair);
}

using PairTest = std::function<Task<>(Io&, SimDriver&, Pair&)>;

// Runs `test` on a fresh connection, for each of 100 seeds.
inline void for_pair(const PairTest& test, SimOptions options = {}) {
  const auto scenario = [&test](Io& io, SimDriver& sim, Random&) -> Task<> {
    auto listener = io.listen(address("10.0.0.1:80"), 16);
    require(listener.has_value(), "cannot listen");
    Pair pair = co_await make_pair(io, *listener);
    co_await test(io, sim, pair);
  };
  explore("pair", scenario, 1, 100, [&options](std::uint64_t seed) {
    options.seed = seed;
    return options;
  });
}

}  // namespace polyio::sim_test
