#include "trace.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <stdexcept>

namespace polyio::lab {
namespace {

const TracedCall* receive_of(const Trace& trace) {
  const auto found = std::ranges::find_if(trace.calls, [&](const TracedCall& call) {
    return call.receives && call.result > 0 && call.end && *call.end >= 0 &&
           *call.end <= trace.handler;
  });
  return found == trace.calls.end() ? nullptr : &*found;
}

// The last call of the handler's thread that was over when the handler had the bytes.
const TracedCall& before_handler(const Trace& trace) {
  const TracedCall* last = nullptr;
  for (const TracedCall& call : trace.calls) {
    if (call.thread == trace.handlers_thread && call.end && *call.end >= 0 &&
        *call.end <= trace.handler) {
      last = &call;
    }
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

}  // namespace

void judge(Trace& trace) {
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
        return call.receives && call.result == -EAGAIN && call.begin >= trace.begin &&
               call.begin < 0;
      }));
  const auto wait = std::ranges::find_if(trace.calls, [&](const TracedCall& call) {
    return call.thread == copying.thread && spans_the_send(trace, call);
  });
  // Once in vain is how an edge-triggered model finds that nothing is left.
  const bool asks = trace.in_vain > 1 || wait == trace.calls.end();
  trace.wait = asks                            ? Trace::Wait::asking
               : &*wait == &copying && receive ? Trace::Wait::same_call
                                               : Trace::Wait::other_call;
  trace.waits_in = asks ? copying.name : wait->name;
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
    const bool vain = call.receives && call.result == -EAGAIN;
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
  std::int64_t begin = std::numeric_limits<std::int64_t>::min();
  for (const Trace& trace : traces) {
    if (!trace.left_out.empty()) continue;
    begin = std::max(begin, trace.begin);
    scale.knee = std::min(scale.knee, trace.sending);
    scale.end = std::max(scale.end, trace.answered);
  }
  scale.begin = std::min(begin, scale.knee - 1);
  return scale;
}

std::string sentence_of(const Trace& trace) {
  const std::string wait =
      trace.wait == Trace::Wait::asking
          ? fmt::format("never sleeps, it asks in vain {} times", trace.in_vain)
          : "sleeps in " + trace.waits_in;
  switch (trace.copy) {
    case Trace::Copy::by_handlers_thread:
      return fmt::format("The thread {}, {} copies the data: synchronous.", wait,
                         trace.wait == Trace::Wait::same_call
                             ? "and the same call"
                             : fmt::format("then {}, a call of its own,", trace.copies_in));
    case Trace::Copy::by_other:
      return fmt::format(
          "A helper thread {}; its {} copies the data, then {} tells the handler's thread, which "
          "makes no such call: asynchronous.",
          wait, trace.copies_in, sends_signal(trace) ? "a signal" : "it");
    case Trace::Copy::by_kernel: break;
  }
  return fmt::format(
      "The thread {}; the kernel copies the data, which are there when {} returns, and no receive "
      "call is made: asynchronous.",
      wait, trace.copies_in);
}

}  // namespace polyio::lab
