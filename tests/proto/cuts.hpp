// expect_same_however_cut(): the claim every incremental parser of the room makes.
#pragma once

#include <gtest/gtest.h>

#include "drive.hpp"

namespace polyio::proto::test {

// `run` turns Chunks into a Log; all cuts in two and several equal sizes must give what the whole
// gives.
template <class Run>
void expect_same_however_cut(std::string_view input, Run run) {
  const Log whole = run(Chunks{input});
  // Every place in a short input, and some fifty (and the ends) in a long one.
  const std::size_t step = input.size() <= 600 ? 1 : input.size() / 50;
  for (std::size_t at = 0; at <= input.size(); at += at < 8 || input.size() - at <= 8 ? 1 : step) {
    ASSERT_EQ(run(cut_at(input, at)), whole) << "cut at " << at;
  }
  for (const std::size_t size : {1u, 2u, 3u, 7u, 64u, 4096u}) {
    ASSERT_EQ(run(cut_every(input, size)), whole) << "cut every " << size;
  }
}

}  // namespace polyio::proto::test
