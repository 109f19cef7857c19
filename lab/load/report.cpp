#include "report.hpp"

#include <unistd.h>

#include <cmath>

namespace polyio::lab {
namespace {

double rounded(double value) { return std::round(value * 1000) / 1000; }

// What the server used, per operation. Without a tick, where it was spent is not known.
void add_usage(Json& json, const Usage& used, double operations) {
  const double cpu_us = static_cast<double>(used.cpu_ns) / 1000 / operations;
  json["cpu_us_per_operation"] = rounded(cpu_us);
  const auto ticks = static_cast<double>(used.user_ticks + used.system_ticks);
  const auto part = [&](std::int64_t own) -> Json {
    if (ticks <= 0) return nullptr;
    return rounded(cpu_us * static_cast<double>(own) / ticks);
  };
  json["cpu_user_us_per_operation"] = part(used.user_ticks);
  json["cpu_system_us_per_operation"] = part(used.system_ticks);
  json["switches_voluntary_per_operation"] =
      rounded(static_cast<double>(used.voluntary) / operations);
  json["switches_involuntary_per_operation"] =
      rounded(static_cast<double>(used.involuntary) / operations);
}

}  // namespace

void Measurement::start(const Options& options, bool rest) {
  if (rest) settle();
  server_ = usage_of(options.pid);
  own_ = usage_of(getpid());
}

void Measurement::stop(const Options& options, bool rest) {
  own_ = usage_of(getpid()) - own_;
  if (rest) settle();
  server_ = usage_of(options.pid) - server_;
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
    add_usage(json, server_, count);
    json["server_cpu_share"] = rounded(static_cast<double>(server_.cpu_ns) / elapsed);
  }
  json["load_cpu_share"] = rounded(static_cast<double>(own_.cpu_ns) / elapsed);
  const std::int64_t waited = own_.waited_ns + server_.waited_ns;
  json["waited_for_core_share"] = rounded(static_cast<double>(waited) / elapsed);
  json["bytes_checked"] = bytes;
  if (latency.total() > 0) {
    const auto us = [](std::uint64_t ns) { return rounded(static_cast<double>(ns) / 1000); };
    json["latency_us"] = {{"p50", us(latency.percentile(0.5))},
                          {"p90", us(latency.percentile(0.9))},
                          {"p99", us(latency.percentile(0.99))},
                          {"p999", us(latency.percentile(0.999))},
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

}  // namespace polyio::lab
