// Whole programs: how many processes they make, and what is left when they have ended.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <string>

namespace polyio::process {
namespace {

std::string output_of(const std::string& arguments) {
  std::string text;
  std::FILE* const output = ::popen((POLYIO_TOP_LEVEL " " + arguments).c_str(), "re");
  if (!output) return "popen failed";
  for (int letter; (letter = std::fgetc(output)) != EOF;) text += static_cast<char>(letter);
  if (::pclose(output) != 0) text += " failed";
  std::ranges::sort(text);
  return text;
}

// The output ends when all that could write to it have ended: so no process is left either.
TEST(Program, StartsAsManyProcessesAsItSaysByEitherMethod) {
  EXPECT_EQ(output_of("fork begin"), "cccm");
  EXPECT_EQ(output_of("spawn begin"), "cccm");
}

TEST(Program, SpawnWithoutBeginIsRefusedAndStartsNothing) {
  EXPECT_EQ(output_of("spawn none"), "mrrr");
  EXPECT_EQ(output_of("fork none"), "cccm");
}

}  // namespace
}  // namespace polyio::process
