// Judging: how a claim's figures become a finding. The rule of all claims: a claim says that one
// figure is at least, or at most, N times another. Within each round their ratio is taken;
// its median decides, and the noise is the distance of its quartiles. What is not farther from the
// bound than the noise, whichever of the two is divided by the other, is within it, and so is
// everything that was measured once.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "claim.hpp"

namespace polyio::lab {

// A point with the echo load: every connection talks, or `active` of them do.
Point point_of(std::string model, std::string architecture, std::size_t connections,
               std::size_t active = 0);

// One of the two figures that are compared.
struct Quantity {
  std::string name;       // "epoll, loop"
  std::string_view unit;  // "µs", "%"; may be empty
  Series series;
  std::string missing{};  // why there is nothing
};
// Named after model and architecture, unless a name is given. `measure`: of measures(), or "core
// share", the server's CPU time as a share of the time, in %, or "switches", of both kinds.
Quantity quantity_of(const Evidence& evidence, const Point& point, std::string_view measure,
                     std::string_view unit, std::string name = {});
Quantity quantity_of(const Evidence& evidence, const Trial& trial, std::string_view figure,
                     std::string_view unit, std::string name);
// A bound in the claim itself: `value` in each round that `like` has.
Quantity bound(double value, const Quantity& like);

enum class Relation { at_least, at_most };
// Whether `a` has at_least, or at_most, `times` what `b` has.
Finding compare(const Quantity& a, Relation relation, double times, const Quantity& b);

// What counts once, without noise.
Finding finding(bool holds, std::string measured, std::string text = {});
Finding not_measured(std::string why);

// All of them have to hold.
Finding all_of(const std::vector<Finding>& findings);

// What was measured had its core for this share of the time, other programs for the rest. Where
// they had a fifth or more, a claim that does not hold is not decided.
Finding unless_busy(Finding finding, const std::optional<Spread>& share);

// A line of medians, over what `place` says of each point, from left to right.
Graph::Line line_of(const Evidence& evidence, std::string name, const std::vector<Point>& points,
                    std::string_view measure, double (*place)(const Point& point));
double connections_of(const Point& point);
double workers_of(const Point& point);

}  // namespace polyio::lab
