#include <gtest/gtest.h>

#include <polyio/process/process.hpp>

namespace polyio::process {
namespace {

int add(int a, int b) { return a + b; }

TEST(Process, Basic) {
  Process p(Options{}, add, 3, 4);
  ASSERT_TRUE(p.start());
  ASSERT_TRUE(p.join());
  EXPECT_EQ(p.exitcode(), 7);
  Process q = Process::spawned({}, add, 3, 4);
  auto s = q.start();
  ASSERT_TRUE(s) << s.error().message();
  ASSERT_TRUE(q.join());
  EXPECT_EQ(q.exitcode(), 7);
}

}  // namespace
}  // namespace polyio::process
