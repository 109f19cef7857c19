#include "report.hpp"

#include <unistd.h>

#include <cmath>

namespace polyio::bench {
namespace {

std::int64_t waited(const Options& options) {
  return waited_ns(getpid()) + (options.pid == 0 ? 0 : waited_ns(options.pid));
}

double rounded(double value) { return std::round(value * 1000) / 1000; }

}  // namespace

void Measurement::start(const Options& options) {
  settle();
  server_cpu_ns_ = cpu_ns(options.pid);
  own_cpu_ns_ = cpu_ns(getpid());
  waited_ns_ = waited(options);
}

void Measurement::stop(const Options& options) {
  waited_ns_ = waited(options) - waited_ns_;
  own_cpu_ns_ = cpu_ns(getpid()) - own_cpu_ns_;
  settle();
  server_cpu_ns_ = cpu_ns(options.pid) - server_cpu_ns_;
}

Json Measurement::report(const Options& options, std::uint64_t operations, std::uint64_t bytes,
                         std::int64_t elapsed_ns, const Histogram& latency) const {
  const auto count = static_cast<double>(operations);
  const auto elapsed = static_cast<double>(elapsed_ns);
  Json json;
  json["operations"] = operations;
  json["seconds"] = rounded(elapsed / 1e9);
  json["operations_per_second"] = std::round(count / elapsed * 1e9);
  if (options.pid != 0 && operations > 0) {
    json["cpu_us_per_operation"] = rounded(static_cast<double>(server_cpu_ns_) / 1000 / count);
    json["server_cpu_share"] = rounded(static_cast<double>(server_cpu_ns_) / elapsed);
  }
  json["load_cpu_share"] = rounded(static_cast<double>(own_cpu_ns_) / elapsed);
  json["waited_for_core_share"] = rounded(static_cast<double>(waited_ns_) / elapsed);
  json["bytes_checked"] = bytes;
  if (latency.total() > 0) {
    const auto us = [](std::uint64_t ns) { return rounded(static_cast<double>(ns) / 1000); };
    json["latency_us"] = {{"p50", us(latency.percentile(0.5))},
                          {"p90", us(latency.percentile(0.9))},
                          {"p99", us(latency.percentile(0.99))},
                          {"max", us(latency.max())}};
  }
  return json;
}

void add_memory(Json& json, const Memory& before, const Memory& after, std::size_t connections) {
  const auto each = [&](std::int64_t from, std::int64_t to) {
    return (to - from) / static_cast<std::int64_t>(connections);
  };
  json["bytes_per_connection"] = each(before.private_dirty, after.private_dirty);
  json["anonymous_per_connection"] = each(before.anonymous, after.anonymous);
  json["resident_per_connection"] = each(before.resident, after.resident);
  json["kernel_both_ends_per_connection"] = each(before.kernel, after.kernel);
  json["server_bytes_before"] = before.private_dirty;
}

}  // namespace polyio::bench
