#include <array>

#include "claim.hpp"

namespace polyio::lab {

std::string_view to_string(Outcome outcome) noexcept {
  switch (outcome) {
    case Outcome::holds: return "holds";
    case Outcome::within_noise: return "within noise";
    case Outcome::not_measured: return "not measured";
    case Outcome::does_not_hold: return "does not hold here";
  }
  return "";
}

std::span<const Claim> all_claims() {
  static const std::vector<Claim> all = [] {
    std::vector<Claim> claims;
    for (const auto group : std::array{model_claims, architecture_claims, parallel_claims,
                                       coroutine_claims, scheduling_claims}) {
      const auto own = group();
      claims.insert(claims.end(), own.begin(), own.end());
    }
    return claims;
  }();
  return all;
}

}  // namespace polyio::lab
