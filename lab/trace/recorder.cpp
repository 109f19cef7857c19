#include "recorder.hpp"

#include <algorithm>
#include <cerrno>

namespace polyio::lab {
namespace {

std::int64_t since(TimePoint origin, TimePoint at) { return (at - origin).count(); }

bool is_one_of(std::string_view name, std::span<const std::string_view> names) {
  return std::ranges::find(names, name) != names.end();
}

}  // namespace

int Recorder::thread_of(pid_t thread) {
  return threads_.try_emplace(thread, static_cast<int>(threads_.size()) + 1).first->second;
}

void Recorder::see(const Stop& stop) {
  thread_of(stop.thread);
  if (stop.kind == Stop::Kind::signal) {
    if (signals_.size() < most_calls) signals_.push_back(stop);
  } else if (stop.kind == Stop::Kind::entry) {
    pending_.insert_or_assign(stop.thread, stop);
  } else if (const auto call = pending_.extract(stop.thread)) {
    const Stop& entry = call.mapped();
    const bool accepts = is_one_of(name_of_call(entry.number), find_call("accept")->system_calls);
    if (accepts && stop.result >= 0 && call_.name == "recv") connection_ = stop.result;
    made_.push_back({entry, stop.at, stop.result});
    if (made_.size() < most_calls) return;
    // The beginning and the end say more than the middle.
    const auto quarter = static_cast<std::ptrdiff_t>(most_calls / 4);
    const auto from = made_.begin() + quarter, to = from + quarter;
    vain_left_out_ += std::count_if(from, to, [&](const Made& made) {
      return named(made, {}).moves && made.result == -call_.in_vain;
    });
    made_.erase(from, to);
    left_out_ += most_calls / 4;
  }
}

void Recorder::start() {
  made_.clear();
  signals_.clear();
  left_out_ = 0;
  vain_left_out_ = 0;
}

TracedCall Recorder::named(const Made& made, TimePoint data) const {
  TracedCall call{.name = name_of_call(made.entry.number),
                  .thread = threads_.at(made.entry.thread),
                  .begin = since(data, made.entry.at),
                  .end = std::nullopt,
                  .result = made.result};
  if (made.end) call.end = since(data, *made.end);
  const bool own = connection_ >= 0 && static_cast<std::int32_t>(made.entry.args[0]) == connection_;
  call.moves = (own || call_.any) && is_one_of(call.name, call_.system_calls);
  call.answers =
      own && call_.name == "recv" && is_one_of(call.name, find_call("send")->system_calls);
  return call;
}

bool Recorder::answers() const {
  return std::ranges::any_of(pending_, [&](const auto& pending) {
    return named({pending.second, std::nullopt, 0}, {}).answers;
  });
}

void Recorder::take(Trace& trace, TimePoint data) const {
  for (const Made& made : made_) trace.calls.push_back(named(made, data));
  for (const auto& [thread, entry] : pending_) {
    trace.calls.push_back(named({entry, std::nullopt, 0}, data));
  }
  std::ranges::sort(trace.calls, {}, &TracedCall::begin);
  for (const Stop& stop : signals_) {
    trace.signals.push_back(
        {static_cast<int>(stop.number), threads_.at(stop.thread), since(data, stop.at)});
  }
  trace.calls_left_out = left_out_;
  trace.in_vain = static_cast<std::size_t>(vain_left_out_);
}

}  // namespace polyio::lab
