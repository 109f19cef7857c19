// The dials of the live page: a message that turns some of them, and what goes together. The rule:
// what comes from the network is checked here, whole, before anything is done.
#pragma once

#include <string_view>
#include <vector>

#include "lab/plan.hpp"
#include "lab/results.hpp"

namespace polyio::lab {

// What the dials can stand at: the models as they are on this machine, and its limits.
struct Bounds {
  std::vector<ModelInfo> models;
  Limits limits;
};

// A message of the page, {"type": "turn", "dials": {"model": "poll"}}: what "dials" has. Throws
// std::invalid_argument with a sentence for the page; the bytes can be anything.
Json parse_turn(std::string_view message);

// Where the dials stand at first: as `dials` has them, else the best model, and the model's first
// architecture. Throws as turned().
Point first_position(const Json& dials, const Bounds& bounds);

// `now` with the dials of `change`, an object of their names and values. Throws
// std::invalid_argument that says what is wrong with it, or why it does not go together.
Point turned(const Point& now, const Json& change, const Bounds& bounds);

// Where the dials stand.
Json position_of(const Point& point);

// For each dial its name and its choices: the value, and why it can't be taken now; "": it can.
Json choices_of(const Point& now, const Bounds& bounds);

// "model poll, 100 connections": what differs.
std::string difference(const Point& before, const Point& now);

}  // namespace polyio::lab
