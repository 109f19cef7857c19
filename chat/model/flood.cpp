#include "flood.hpp"

#include <algorithm>

namespace polyio::chat {
namespace {

double seconds(Nanoseconds span) { return std::chrono::duration<double>(span).count(); }

// Which all connections of a reverse proxy without --behind-proxy have, and those of this machine.
bool is_loopback(std::string_view host) {
  return host == "unix" || host == "::1" || host.starts_with("127.");
}

}  // namespace

Nanoseconds Bucket::take(TimePoint now, double per_second, double burst) noexcept {
  level_ = std::max(0.0, level_ - seconds(now - at_) * per_second) + 1;
  at_ = now;
  empty_at_ = now + std::chrono::duration_cast<Nanoseconds>(
                        std::chrono::duration<double>(level_ / per_second));
  const double over = level_ - burst;
  if (over <= 0) return Nanoseconds::zero();
  return std::chrono::duration_cast<Nanoseconds>(std::chrono::duration<double>(over / per_second));
}

Nanoseconds FloodTable::take(const std::string& key, TimePoint now, double per_second,
                             double burst) {
  const std::lock_guard lock(mutex_);
  if (buckets_.size() >= most_kept && !buckets_.contains(key)) {
    std::erase_if(buckets_, [now](const auto& one) { return one.second.empty(now); });
    if (buckets_.size() >= most_kept) return others_.take(now, per_second, burst);
  }
  return buckets_[key].take(now, per_second, burst);
}

bool FloodTable::admit(std::string_view host) {
  if (limits_.connections == 0 || is_loopback(host)) return true;
  const std::lock_guard lock(mutex_);
  std::size_t& count = connections_.try_emplace(std::string(host), 0).first->second;
  if (count >= limits_.connections) return false;
  ++count;
  return true;
}

void FloodTable::dismiss(std::string_view host) noexcept {
  if (limits_.connections == 0) return;
  const std::lock_guard lock(mutex_);
  const auto place = connections_.find(host);
  if (place != connections_.end() && --place->second == 0) connections_.erase(place);
}

Admission::Admission(FloodTable& table, std::string_view host)
    : table_(table),
      counted_(table.limits().connections ? std::make_unique<const std::string>(host) : nullptr),
      granted_(!counted_ || table.admit(host)) {}

Admission::~Admission() {
  if (counted_ && granted_) table_.dismiss(*counted_);
}

Nanoseconds Pace::take(FloodTable& table, const std::string& account, const std::string& host,
                       TimePoint now) {
  const FloodLimits& limits = table.limits();
  if (limits.per_second <= 0) return Nanoseconds::zero();
  Nanoseconds wait = bucket_.take(now, limits.per_second, limits.burst);
  const double rate = limits.per_second, burst = limits.burst, many = limits.of_address;
  if (!account.empty()) wait = std::max(wait, table.take("account " + account, now, rate, burst));
  wait = std::max(wait, table.take(host, now, rate * many, burst * many));
  if (wait == Nanoseconds::zero()) return wait;
  // A pause is a second without being slowed.
  if (slowed_since_ == never || now > slowed_until_ + std::chrono::seconds(1)) {
    slowed_since_ = now;
    news_ = true;
  }
  slowed_until_ = now + wait;
  return wait;
}

bool Pace::is_over(const FloodTable& table, TimePoint now) const noexcept {
  return slowed_since_ != never && now <= slowed_until_ + std::chrono::seconds(1) &&
         now - slowed_since_ > table.limits().patience;
}

}  // namespace polyio::chat
