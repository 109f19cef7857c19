// The fixture of the cases about Io::set_driver: from every model to every other and back.
#pragma once

#include "contract.hpp"

namespace polyio::contract {

inline bool stays_fixed(std::string_view model) { return !find_model(model)->unchangeable.empty(); }

class SetDriverTest : public ContractTest {
 protected:
  void SetUp() override {
    if (stays_fixed(model())) GTEST_SKIP() << find_model(model())->unchangeable;
    ContractTest::SetUp();
  }
  static std::vector<std::string> targets() {
    std::vector<std::string> names;
    for (const ModelInfo& info : list_models()) {
      const bool here = info.available || info.traits->make;
      if (here && !stays_fixed(info.model) && make_driver(info.model)) names.push_back(info.model);
    }
    return names;
  }
  Result<> set(std::string_view name) { return io().set_driver(make_driver(name).value()); }
  void change(std::string_view name) {
    auto done = set(name);
    EXPECT_TRUE(done) << name << ": " << done.error().message();
    EXPECT_EQ(io().driver().name(), name);
  }
  // `body` for each model to change to; then back to this one.
  void on_each(const std::function<Task<>(std::string to, TaskGroup&)>& body) {
    run([&](TaskGroup& group) -> Task<> {
      for (const std::string& to : targets()) {
        SCOPED_TRACE("to " + to);
        co_await body(to, group);
        change(model());
      }
      co_await until([&] { return io().retired_drivers() == 0; });
    });
  }
};

}  // namespace polyio::contract
