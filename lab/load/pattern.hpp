// Pattern: the bytes echo clients send, and what an upper-casing server must answer. Any slice of
// it lies in one piece of memory, so nothing is copied and an answer is checked by one memcmp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace polyio::lab {

class Pattern {
 public:
  static constexpr std::size_t period = 4093;           // a prime: messages never line up with it
  static constexpr std::size_t max_slice = 256 * 1024;  // longest slice

  Pattern();
  // `position` is the byte's number in the connection's stream.
  const char* sent(std::uint64_t position) const { return sent_.data() + position % period; }
  const char* answer(std::uint64_t position) const { return answer_.data() + position % period; }

 private:
  std::vector<char> sent_;
  std::vector<char> answer_;
};

}  // namespace polyio::lab
