#include "beside.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "lab/engine.hpp"

namespace polyio::lab {
namespace {

constexpr std::size_t most_known = 500, most_printed = 8 << 20;
constexpr std::size_t most_counted = 100;  // connections
constexpr std::size_t most_asks = 200;     // that are drawn of a wait

Json read_calls(const std::string& printed) { return Json::parse(printed); }

// Of what a polling model does while it waits, as much as can be seen.
void thin(Json& pieces) {
  const auto waits = [](const Json& piece) { return piece.at(1) < 0 && piece.at(2) != "."; };
  const auto count = static_cast<std::size_t>(std::ranges::count_if(pieces, waits));
  const std::size_t step = count / most_asks + 1;
  std::size_t index = 0;
  Json kept = Json::array();
  for (const Json& piece : pieces) {
    if (!waits(piece) || index++ % step == 0) kept.push_back(piece);
  }
  pieces = std::move(kept);
}

Json read_trace(const std::string& printed) {
  Json trace = Json::parse(printed).at("trace").at("models").at(0);
  trace.erase("calls");
  trace.erase("signals");
  if (!trace.contains("threads")) return trace;
  for (Json& thread : trace["threads"]) thin(thread.at("pieces"));
  return trace;
}

Point to_count(const Point& point) {
  Point counted = point;
  counted.connections = std::min(point.connections, most_counted);
  counted.active = std::min(point.active, counted.connections);
  counted.rate = 0;
  return counted;
}

}  // namespace

Json Beside::known(const std::string& key) const {
  const auto found = known_.find(key);
  return found == known_.end() ? Json() : found->second;
}

std::string_view Beside::doing() const noexcept {
  return child_ ? jobs_.front().doing : std::string_view();
}

void Beside::turn(const Point& point) {
  child_.reset();
  jobs_.clear();
  const Point counted = to_count(point);
  const std::vector<std::string> counting = calls_arguments(counted);
  calls_key_ = fmt::format("{}", fmt::join(counting, " "));
  trace_key_ = "trace " + point.model;
  jobs_.push_back({calls_key_, "counting system calls", counting, read_calls, load_of(counted)});
  jobs_.push_back({trace_key_,
                   "tracing a request",
                   {"lab", "trace", "--model", point.model, "--json", "-"},
                   read_trace,
                   {}});
  std::erase_if(jobs_, [&](const Job& job) { return known_.contains(job.key); });
}

void Beside::begin() {
  if (!child_) start_next();
}

void Beside::start_next() {
  printed_.clear();
  child_.reset();
  if (jobs_.empty()) return;
  child_ = std::make_unique<Child>(
      Child::Options{.arguments = jobs_.front().arguments, .cores = cores_});
}

bool Beside::look() {
  if (!child_) return false;
  const bool ended = child_->has_ended();  // before its last lines are taken
  while (auto line = child_->take_line()) {
    if (printed_.size() < most_printed) printed_ += *line + "\n";
  }
  if (!ended) return false;
  take_result();
  start_next();
  return true;
}

void Beside::take_result() {
  const Job job = std::move(jobs_.front());
  jobs_.pop_front();
  if (known_.size() >= most_known) known_.erase(known_.begin());
  Json& result = known_[job.key];
  try {
    result = job.read(printed_);
  } catch (const std::exception& error) {
    const std::string words = child_->last_words();
    result = {{"error", words.empty() ? error.what() : words}};
  }
  if (!job.remark.empty()) result["counted_at"] = job.remark;
}

}  // namespace polyio::lab
