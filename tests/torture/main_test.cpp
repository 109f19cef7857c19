// The scenario of processes spawns this program, so its main() begins as such programs do.
#include <gtest/gtest.h>

#include <polyio/process/process.hpp>

int main(int argc, char** argv) {
  polyio::process::begin(argc, argv);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
