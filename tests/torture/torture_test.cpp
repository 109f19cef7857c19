// Every call that can fail fails once, in every way, under every model: no crash, no hang, nothing
// left over; a clear error or a recovery. docs/faults.md explains it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include "support/part.hpp"
#include "walk.hpp"

namespace polyio::torture {
namespace {

// The table of what was tried, printed and written at the end.
class Table : public testing::Environment {
 public:
  static std::map<std::string, Tally>& rows() {
    static std::map<std::string, Tally> all;
    return all;
  }
  void TearDown() override {
    if (rows().empty()) return;
    std::string text =
        fmt::format("{:<34} {:>10} {:>7} {:>9} {:>11} {:>6}\n", "scenario/model/architecture",
                    "call sites", "tries", "recovered", "clear error", "failed");
    Tally sum;
    for (const auto& [name, row] : rows()) {
      text += line(name, row);
      sum.sites += row.sites;
      sum.tries += row.tries;
      sum.recovered += row.recovered;
      sum.clear_error += row.clear_error;
      sum.failed += row.failed;
    }
    text += line("all", sum);
    fmt::print("{}", text);
    std::fflush(stdout);
    const char* const file = std::getenv("POLYIO_TORTURE_TABLE");
    if (!file) return;
    std::filesystem::create_directories(std::filesystem::path(file).parent_path());
    std::ofstream(file) << text;
  }

 private:
  static std::string line(const std::string& name, const Tally& row) {
    return fmt::format("{:<34} {:>10} {:>7} {:>9} {:>11} {:>6}\n", name, row.sites, row.tries,
                       row.recovered, row.clear_error, row.failed);
  }
};
const auto* const table = testing::AddGlobalTestEnvironment(new Table);

class Torture : public testing::TestWithParam<Scenario> {
 protected:
  static void go(const Reach& reach) {
    const Scenario& scenario = GetParam();
    const Tally tally = walk(scenario, reach);
    Table::rows()[scenario.text()] = tally;
    for (const std::string& failure : tally.failures) ADD_FAILURE() << failure;
    EXPECT_GT(tally.tries, 0u);
    if (test::part().of == 1) {  // a part may have those that never come
      EXPECT_LT(tally.no_fault * 2, tally.tries) << "most faults never came";
    }
  }
};
using DeepTorture = Torture;

TEST_P(Torture, TheFirstCalls) { go({.calls = 1, .allocations = 8}); }
TEST_P(DeepTorture, AllCalls) { go({.calls = 40, .allocations = 300}); }

std::string scenario_name(const testing::TestParamInfo<Scenario>& info) {
  std::string name = info.param.text();
  for (char& c : name) {
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  }
  return name;
}
INSTANTIATE_TEST_SUITE_P(All, Torture, testing::ValuesIn(all_scenarios()), scenario_name);
// Not nonblocking: it polls through every wait of every try, and its driver is walked on other
// selectors. Nor blocking under prefork: ECONNRESET on a worker's channel to the supervisor, which
// only the supervisor's death can cause, still leaves the worker's client waiting.
std::vector<Scenario> deep_scenarios() {
  std::vector<Scenario> all = all_scenarios();
  std::erase_if(all, [](const Scenario& one) {
    return one.model == "nonblocking" || (one.model == "blocking" && one.architecture == "prefork");
  });
  return all;
}
INSTANTIATE_TEST_SUITE_P(All, DeepTorture, testing::ValuesIn(deep_scenarios()), scenario_name);

// POLYIO_FAULT='io/epoll recv:3:ECONNRESET' repeats one try in this very process, for a debugger.
TEST(Repeat, WhatFailed) {
  const char* const wish = std::getenv("POLYIO_FAULT");
  if (!wish) GTEST_SKIP() << "POLYIO_FAULT='SCENARIO CALL:NUMBER:ERRNO' says what";
  const std::string_view text(wish);
  const auto space = text.find(' ');
  for (const Scenario& scenario : all_scenarios()) {
    if (scenario.text() != text.substr(0, space)) continue;
    const Fault fault = space == text.npos ? Fault{} : parse_fault(text.substr(space + 1));
    ASSERT_TRUE(space == text.npos || fault.number > 0) << "not on the table";
    const Report run = run_here(scenario, fault);
    fmt::print("{}: {}\n{}", wish, name_of(run.ending), run.said);
    EXPECT_FALSE(failed(run.ending));
    return;
  }
  FAIL() << "there is no such scenario";
}

}  // namespace
}  // namespace polyio::torture
