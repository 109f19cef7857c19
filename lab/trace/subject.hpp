// The traced process of all calls but recv, whose subject is a server: it makes one call again and
// again on an Io of the model, and notes when each has begun and ended.
#pragma once

#include <string>

#include "../marks.hpp"
#include "call.hpp"

namespace polyio::lab {

struct Subject {
  std::string model;
  const Call* call = nullptr;
  std::size_t size = 64;  // of what is sent
  std::string server;     // connect: to where
};

// Prints "listening on ADDRESS (CALL)"; does not end by itself. Throws std::runtime_error.
void run_subject(const Subject& subject, Marks& marks);

}  // namespace polyio::lab
