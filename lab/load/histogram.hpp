// Histogram: latencies in nanoseconds, counted in buckets 1/64 of a power of two wide (an error of
// at most 1.6 %). Adding is a shift and an increment, so it does not disturb what is measured.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace polyio::lab {

class Histogram {
 public:
  void add(std::int64_t value) {
    const auto v = static_cast<std::uint64_t>(value < 0 ? 0 : value);
    ++counts_[bucket(v)];
    ++total_;
    if (v > max_) max_ = v;
  }
  std::uint64_t total() const { return total_; }
  std::uint64_t max() const { return max_; }

  // The value below which the share `part` (0..1) lies: the upper end of its bucket.
  std::uint64_t percentile(double part) const {
    const auto wanted = static_cast<std::uint64_t>(part * static_cast<double>(total_));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen > wanted) return std::min(upper_end(i), max_);
    }
    return max_;
  }

 private:
  static constexpr int sub_bits = 6;
  static constexpr std::size_t subs = std::size_t{1} << sub_bits;

  static std::size_t bucket(std::uint64_t v) {
    if (v < subs) return v;
    const int shift = std::bit_width(v) - sub_bits - 1;
    return (static_cast<std::size_t>(shift) + 1) * subs + ((v >> shift) - subs);
  }
  static std::uint64_t upper_end(std::size_t bucket) {
    if (bucket < subs) return bucket;
    const std::size_t shift = bucket / subs - 1;
    return ((subs + bucket % subs + 1) << shift) - 1;
  }

  std::array<std::uint64_t, (64 - sub_bits + 1) * subs> counts_{};
  std::uint64_t total_ = 0;
  std::uint64_t max_ = 0;
};

}  // namespace polyio::lab
