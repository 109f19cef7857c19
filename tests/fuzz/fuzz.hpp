// What the fuzzers share. Each runs a parser over its input whole and cut, and says so when the two
// differ; drive.hpp turns what the parser answers into the logs that are compared.
#pragma once

#include <proto/drive.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace polyio::proto::test {

// Ends the fuzzer, which keeps the input.
inline void require(bool holds, const char* claim) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", claim);
  std::abort();
}

struct Input {
  std::string_view text;
  std::size_t cut;  // a place in text
};

// The last two bytes of a fuzzer's data say where to cut the rest. Limits are near in the fuzzers:
// what is past the first 4 KiB only costs time.
inline Input split_off_cut(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return {{}, 0};
  const std::size_t length = std::min<std::size_t>(size - 2, 4096);
  const std::size_t number = data[size - 2] * 256u + data[size - 1];
  return {{reinterpret_cast<const char*>(data), length}, number % (length + 1)};
}

template <class Run>
Log require_same_however_cut(const Input& input, Run run) {
  const Log whole = run(Chunks{input.text});
  const bool same = run(cut_at(input.text, input.cut)) == whole &&
                    run(cut_every(input.text, 1 + input.cut % 5)) == whole;
  require(same, "an input is read the same however it is cut");
  return whole;
}

}  // namespace polyio::proto::test
