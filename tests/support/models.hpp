// The models that this machine has, for tests that run once on each.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <polyio/drivers/registry.hpp>
#include <string>
#include <vector>

namespace polyio::test {

inline std::vector<std::string> model_names() {
  std::vector<std::string> names;
  for (const ModelInfo& info : list_models()) {
    if (info.available) names.push_back(info.model);
  }
  return names;
}
inline auto models() { return testing::ValuesIn(model_names()); }

// As a part of a test's name.
inline std::string model_name(const testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::ranges::replace(name, '-', '_');
  return name;
}

}  // namespace polyio::test
