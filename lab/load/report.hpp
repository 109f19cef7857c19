// Measurement: what is read before and after the measured span, and the JSON made of it. The same
// for memory.
#pragma once

#include <cstdint>

#include "histogram.hpp"
#include "options.hpp"
#include "process.hpp"

namespace polyio::lab {

class Measurement {
 public:
  // Call both while the server is at rest, so nothing is outstanding; or, without `rest`, while
  // things go on, and its CPU time is up to a tick behind.
  void start(const Options& options, bool rest = true);
  void stop(const Options& options, bool rest = true);

  // `operations` were done in `elapsed_ns`, and `bytes` of answers were compared.
  Json report(const Options& options, std::uint64_t operations, std::uint64_t bytes,
              std::int64_t elapsed_ns, const Histogram& latency) const;

 private:
  Usage server_, own_;  // between start() and stop()
};

// The growth of the server's memory, and of the kernel's, per connection.
void add_memory(Json& json, const Memory& before, const Memory& after, std::size_t connections);

}  // namespace polyio::lab
