#include "trace.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <stdexcept>

namespace polyio::lab {
namespace {

bool over_in_time(const Trace& trace, const TracedCall& call) {
  return call.end && *call.end >= 0 && *call.end <= trace.handler;
}

// The call that ended it; nullptr: the kernel did.
const TracedCall* receive_of(const Trace& trace) {
  const auto found = std::ranges::find_if(trace.calls, [&](const TracedCall& call) {
    return call.moves && over_in_time(trace, call) &&
           (call.result > 0 || (call.result == 0 && trace.call->nothing));
  });
  return found == trace.calls.end() ? nullptr : &*found;
}

// The last call of the handler's thread that was over when the handler had the bytes.
const TracedCall& before_handler(const Trace& trace) {
  const TracedCall* last = nullptr;
  for (const TracedCall& call : trace.calls) {
    if (call.thread == trace.handlers_thread && over_in_time(trace, call)) last = &call;
  }
  if (!last) throw std::runtime_error("no call was seen by which the bytes can have come");
  return *last;
}

// It was under way when the client sent.
bool spans_the_send(const Trace& trace, const TracedCall& call) {
  return call.begin <= trace.sending && call.end.value_or(0) >= 0;
}

bool sends_signal(const Trace& trace) {
  return std::ranges::any_of(trace.calls, [&](const TracedCall& call) {
    return call.thread == trace.copying_thread && call.begin >= trace.copied &&
           call.name == "rt_sigqueueinfo";
  });
}

// Of a connection the lab sees that it is there when the process may have seen it, too: what ended
// a moment before is at 0 then.
void set_right(Trace& trace) {
  std::int64_t early = std::numeric_limits<std::int64_t>::min();
  for (const TracedCall& call : trace.calls) {
    const bool ends_it = call.moves ? call.result == 0 : call.thread == trace.handlers_thread;
    if (!ends_it || !call.end || *call.end > trace.handler) continue;
    if (*call.end >= 0) return;
    early = std::max(early, *call.end);
  }
  if (early < trace.begin) return;
  for (TracedCall& call : trace.calls) {
    call.begin -= early;
    if (call.end) *call.end -= early;
  }
  for (TracedSignal& signal : trace.signals) signal.at -= early;
  for (auto* const time : {&trace.begin, &trace.handler, &trace.answering, &trace.answered}) {
    *time -= early;
  }
}

}  // namespace

void judge(Trace& trace) {
  if (trace.call->any) set_right(trace);
  const TracedCall* const receive = receive_of(trace);
  const TracedCall& copying = receive ? *receive : before_handler(trace);
  trace.copies_in = copying.name;
  trace.copying_thread = copying.thread;
  trace.copied = *copying.end;
  trace.copy_begin = std::max<std::int64_t>(copying.begin, 0);
  trace.copy = !receive                                   ? Trace::Copy::by_kernel
               : receive->thread == trace.handlers_thread ? Trace::Copy::by_handlers_thread
                                                          : Trace::Copy::by_other;
  trace.synchronous = trace.copy == Trace::Copy::by_handlers_thread;
  trace.in_vain +=
      static_cast<std::size_t>(std::ranges::count_if(trace.calls, [&](const TracedCall& call) {
        return trace.in_vain_was(call) && call.begin >= trace.begin && call.begin < 0;
      }));
  const auto wait = std::ranges::find_if(trace.calls, [&](const TracedCall& call) {
    return call.thread == copying.thread && spans_the_send(trace, call);
  });
  // Once in vain is how an edge-triggered model finds that nothing is left.
  const bool asks = trace.in_vain > 1 || wait == trace.calls.end();
  trace.wait = trace.call->waits.empty()       ? Trace::Wait::none
               : asks                          ? Trace::Wait::asking
               : &*wait == &copying && receive ? Trace::Wait::same_call
                                               : Trace::Wait::other_call;
  trace.waits_in = asks ? copying.name : wait->name;
}

std::vector<std::vector<Trace>> by_call(const std::vector<Trace>& traces) {
  std::vector<std::vector<Trace>> groups;
  for (const Trace& trace : traces) {
    if (groups.empty() || groups.back().front().call != trace.call) groups.emplace_back();
    groups.back().push_back(trace);
  }
  return groups;
}

std::string heading_of(const Call& call, const TraceSettings& settings) {
  std::string what(call.what);
  if (const auto at = what.find("{}"); at != what.npos) {
    what.replace(at, 2, std::to_string(settings.size));
  }
  return fmt::format("{}: {}", call.name, what);
}

std::vector<int> threads_of(const Trace& trace) {
  std::vector<int> threads{trace.handlers_thread};
  const auto add = [&](int thread) {
    if (std::ranges::find(threads, thread) == threads.end()) threads.push_back(thread);
  };
  add(trace.copying_thread);
  for (const TracedCall& call : trace.calls) {
    if (call.end && *call.end >= 0) add(call.thread);
  }
  return threads;
}

std::vector<Piece> pieces_of(const Trace& trace, int thread) {
  std::vector<Piece> pieces{{trace.begin, trace.answered, '.'}};
  for (const TracedCall& call : trace.calls) {
    const std::int64_t begin = std::max(call.begin, trace.begin);
    const std::int64_t end = std::min(call.end.value_or(trace.answered), trace.answered);
    if (call.thread != thread || begin >= end) continue;
    if (thread == trace.copying_thread && call.end == trace.copied) {
      if (begin < 0) pieces.push_back({begin, 0, '-'});
      pieces.push_back({trace.copy_begin, end, '#'});
      continue;
    }
    const bool slept =
        !call.end || (trace.wait != Trace::Wait::asking && spans_the_send(trace, call));
    const bool vain = trace.in_vain_was(call);
    pieces.push_back({begin, end, vain ? '?' : call.answers ? '>' : slept ? '-' : 'o'});
  }
  const auto rank = [](const Piece& piece) {
    return std::ranges::find(signs, piece.sign, &Sign::sign) - signs.begin();
  };
  std::ranges::sort(pieces, {}, rank);
  return pieces;
}

double Scale::at(std::int64_t time) const {
  const auto part = [](std::int64_t from, std::int64_t to, std::int64_t at) {
    return static_cast<double>(std::clamp(at, from, to) - from) / static_cast<double>(to - from);
  };
  if (time < knee) return wait_width * part(begin, knee, time);
  return wait_width + (width - wait_width) * part(knee, end, time);
}

Scale scale_of(const std::vector<Trace>& traces, double wait_width, double width) {
  Scale scale{.wait_width = wait_width, .width = width};
  // The shortest wait, so that all begin at the left.
  std::optional<std::int64_t> begin;
  for (const Trace& trace : traces) {
    if (!trace.left_out.empty()) continue;
    begin = std::max(begin.value_or(trace.begin), trace.begin);
    scale.knee = std::min(scale.knee, trace.sending);
    scale.end = std::max(scale.end, trace.answered);
  }
  scale.begin = std::min(begin.value_or(scale.begin), scale.knee - 1);
  return scale;
}

std::string sentence_of(const Trace& trace) {
  const Call& call = *trace.call;
  const std::string wait =
      trace.wait == Trace::Wait::none ? "need not wait"
      : trace.wait == Trace::Wait::asking
          ? fmt::format("never sleeps, it asks in vain {} times", trace.in_vain)
          : "sleeps in " + trace.waits_in;
  switch (trace.copy) {
    case Trace::Copy::by_handlers_thread:
      if (trace.wait == Trace::Wait::none) {
        return fmt::format("The thread {}; {} {}: synchronous.", wait, trace.copies_in, call.moves);
      }
      return fmt::format("The thread {}, {} {}: synchronous.", wait,
                         trace.wait == Trace::Wait::same_call
                             ? "and the same call"
                             : fmt::format("then {}, a call of its own,", trace.copies_in),
                         call.moves);
    case Trace::Copy::by_other:
      return fmt::format(
          "A helper thread {}; its {} {}, then {} tells the handler's thread, which makes no such "
          "call: asynchronous.",
          wait, trace.copies_in, call.moves, sends_signal(trace) ? "a signal" : "it");
    case Trace::Copy::by_kernel: break;
  }
  return fmt::format(
      "The thread {}; {}, which is over when {} returns, and no {} call is made: asynchronous.",
      wait, call.kernel, trace.copies_in, call.name);
}

}  // namespace polyio::lab
