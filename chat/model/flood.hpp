// Flood: how fast a connection, an account and an address may ask for something, and how many
// connections an address may have. The rule: a client that is too fast is warned, then slowed to
// the rate, and cut off if it has not paused for a while; all tables are bounded.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <polyio/base/clock.hpp>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace polyio::chat {

struct FloodLimits {
  double per_second = 0;   // requests of one connection, and of one account; 0: as many as it likes
  double burst = 200;      // at once
  double of_address = 10;  // an address may send as much as this many connections
  Nanoseconds patience = std::chrono::minutes(1);  // slowed for so long without a pause: cut off
  std::size_t connections = 0;  // of one address, the loopback's aside; 0: no limit
};

// A leaky bucket: requests fill it, time empties it.
class Bucket {
 public:
  // One more request; for how long to wait before the next.
  Nanoseconds take(TimePoint now, double per_second, double burst) noexcept;
  bool empty(TimePoint now) const noexcept { return now >= empty_at_; }

 private:
  double level_ = 0;
  TimePoint at_{}, empty_at_{};
};

// What accounts and addresses have in common over their connections. Thread-safe.
class FloodTable {
 public:
  explicit FloodTable(const FloodLimits& limits) : limits_(limits) {}

  const FloodLimits& limits() const noexcept { return limits_; }
  // One more request of an account or address, or try of a login.
  Nanoseconds take(const std::string& key, TimePoint now, double per_second, double burst);
  // A further connection from `host`; false: it has too many.
  bool admit(std::string_view host);
  void dismiss(std::string_view host) noexcept;

 private:
  static constexpr std::size_t most_kept = 65'536;

  const FloodLimits limits_;
  std::mutex mutex_;
  std::unordered_map<std::string, Bucket> buckets_;
  Bucket others_;  // when there are too many of them
  std::map<std::string, std::size_t, std::less<>> connections_;
};

// A connection that counts as one of its address, until this ends. Small: each keeps one.
class Admission {
 public:
  Admission(FloodTable& table, std::string_view host);
  ~Admission();
  Admission(const Admission&) = delete;
  Admission& operator=(const Admission&) = delete;
  bool granted() const noexcept { return granted_; }  // else its address has too many

 private:
  FloodTable& table_;
  std::unique_ptr<const std::string> counted_;  // the host; none, if connections are not bounded
  const bool granted_;
};

// One connection's: used by its session.
class Pace {
 public:
  // One more request, at `now`: for how long not to read on.
  Nanoseconds take(FloodTable& table, const std::string& account, const std::string& host,
                   TimePoint now);
  // It is slowed for the first time since it last paused: say so.
  bool is_news() noexcept { return std::exchange(news_, false); }
  // It was slowed without a pause for longer than the patience.
  bool is_over(const FloodTable& table, TimePoint now) const noexcept;

 private:
  Bucket bucket_;
  TimePoint slowed_since_ = never, slowed_until_{};
  bool news_ = false;
};

}  // namespace polyio::chat
