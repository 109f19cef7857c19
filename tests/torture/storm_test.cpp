// Signals, thousands a second, into every thread that waits: nobody is told EINTR, no byte is
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
  EXPECT_EQ(report.ending, Ending::recovered) << name_of(report.ending) << "\n" << report.told;
}

INSTANTIATE_TEST_SUITE_P(All, EintrStorm, testing::ValuesIn(storms()), [](const auto& info) {
  std::string name = info.param.text();
  std::ranges::replace_if(name, [](unsigned char c) { return !std::isalnum(c); }, '_');
  return name;
});

}  // namespace
}  // namespace polyio::torture
