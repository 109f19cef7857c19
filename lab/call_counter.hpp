// CallCounter: counts the system calls of a process, its threads and all it starts. Nothing is
// timed meanwhile (tracer.hpp).
#pragma once

#include <map>

#include "tracer.hpp"

namespace polyio::lab {

using Calls = std::map<std::string, double>;  // by name

class CallCounter : public Tracer {
 public:
  // As Tracer. Throws Denied.
  explicit CallCounter(Child& child)
      : Tracer(child, [this](const Stop& stop) {
          if (stop.kind == Stop::Kind::entry) ++seen_[stop.number];
        }) {}

  // Started so far.
  Calls calls() const {
    Calls named;
    for (const auto& [number, count] : seen_) {
      named[name_of_call(number)] += static_cast<double>(count);
    }
    return named;
  }

 private:
  std::map<std::uint64_t, std::uint64_t> seen_;  // by number
};

}  // namespace polyio::lab
