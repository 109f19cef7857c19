// The scenarios that the torture runs: small, but with every operation that a model has. Each is
// run in a process of its own, which has no other thread yet.
#pragma once

#include "outcome.hpp"

namespace polyio::torture {

struct Scenario {
  std::string name;   // "io", "server", "os", "process"; "io-storm", "server-storm": with signals
  std::string model;  // of list_models(); os: "-"; process: "fork" or "spawn"
  std::string architecture;
  std::string text() const {
    return architecture.empty() ? name + "/" + model : name + "/" + model + "/" + architecture;
  }
};

// All that can run on this system.
std::vector<Scenario> all_scenarios();
// Runs it, with arm(fault) around what is the library's.
void run_scenario(const Scenario& scenario, const Fault& fault, Outcome& outcome);

void run_io(const std::string& model, const Fault& fault, Outcome& outcome);
void run_server(const Scenario& scenario, const Fault& fault, Outcome& outcome);
void run_process(const std::string& method, const Fault& fault, Outcome& outcome);
void run_os(const Fault& fault, Outcome& outcome);

}  // namespace polyio::torture
