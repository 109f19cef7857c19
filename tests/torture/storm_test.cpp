// Signals, thousands a second, into every thread that waits: no caller sees EINTR, no byte is
// wrong, nothing hangs.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "walk.hpp"

namespace polyio::torture {
namespace {

std::vector<Scenario> storms() {
  // The others fork, which a process with the storm's thread must not.
  constexpr std::array<std::string_view, 5> threads{"", "loop", "loops", "thread-per-connection",
                                                    "thread-pool"};
  std::vector<Scenario> all;
  for (Scenario scenario : all_scenarios()) {
    if (scenario.name == "os" || std::ranges::count(threads, scenario.architecture) == 0) continue;
    scenario.name += "-storm";
    all.push_back(scenario);
  }
  return all;
}

class EintrStorm : public testing::TestWithParam<Scenario> {};

TEST_P(EintrStorm, ChangesNothing) {
  const Report report = run_apart(GetParam(), {});
  EXPECT_EQ(report.ending, Ending::recovered) << name_of(report.ending) << "\n" << report.said;
}

std::string storm_name(const testing::TestParamInfo<Scenario>& info) {
  std::string name = info.param.text();
  for (char& c : name) {
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  }
  return name;
}
INSTANTIATE_TEST_SUITE_P(All, EintrStorm, testing::ValuesIn(storms()), storm_name);

}  // namespace
}  // namespace polyio::torture
