// A trace: one call of a model, such as the receive of a request, as a timeline of its two phases:
// wait for what is asked for, say for data, and have it, say copy them from the kernel
// (docs/lab.md, docs/models.md). Times are in nanoseconds from when what it waits for is there,
// negative before.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <polyio/drivers/registry.hpp>
#include <polyio/linux/process.hpp>
#include <string>
#include <vector>

#include "../results.hpp"
#include "call.hpp"

namespace polyio::lab {

inline constexpr std::size_t most_calls = 4096;  // that are kept of one request

struct TracedCall {
  std::string name;
  int thread = 1;  // in the order in which they were first seen; 1: the server's first
  std::int64_t begin = 0;
  std::optional<std::int64_t> end;  // none: not over when the answer came
  std::int64_t result = 0;          // negative: an error's number
  bool moves = false;               // it may end what is traced: receives from the connection, ...
  bool answers = false;             // it writes to the connection
};

struct TracedSignal {
  int number = 0, thread = 1;
  std::int64_t at = 0;
};

// What was recorded, and what follows from it: see judge().
struct Trace {
  enum class Wait { same_call, other_call, asking, none };  // what the wait was
  enum class Copy { by_handlers_thread, by_other, by_kernel };

  const Call* call = &traced_calls().front();
  std::string model;
  std::string architecture;  // of recv, which is a server's; else empty
  std::string left_out;      // why it is not traced; nothing below is set then
  std::vector<TracedCall> calls;
  std::vector<TracedSignal> signals;
  std::size_t calls_left_out = 0;  // past most_calls
  // The last answer came, and this recording began; the client sends; its send(2) is over, so the
  // kernel has the data; the handler has the bytes; it begins to send; the client has the answer.
  std::int64_t begin = 0, sending = 0, handler = 0, answering = 0, answered = 0;
  std::int64_t clock = 0;  // CLOCK_MONOTONIC when the kernel had the data
  int handlers_thread = 1;

  Wait wait = Wait::asking;
  std::string waits_in;     // a call's name
  std::size_t in_vain = 0;  // how often it asked for data that were not there;
                            // before judge() of the calls left out
  Copy copy = Copy::by_kernel;
  std::string copies_in;  // of io_uring: the call that was over when the bytes were there
  int copying_thread = 1;
  std::int64_t copied = 0;  // the end of that call
  std::int64_t copy_begin = 0;
  bool synchronous = true;  // as POSIX defines it

  // It asked for what was not there yet.
  bool in_vain_was(const TracedCall& one) const {
    return one.moves && one.result == -call->in_vain;
  }

  double empty_call = 0;  // ns of a call that does nothing, under the tracer
  // ns from the send to the handler and to the answer, medians of a server that is not traced; not
  // known of connect.
  std::optional<double> free_handler, free_answer;
};

// What waited and what copied, from the calls and times of `trace`. Throws std::runtime_error where
// they don't say.
void judge(Trace& trace);

struct TraceSettings {
  const Call* call = &traced_calls().front();
  Nanoseconds wait = std::chrono::milliseconds(20);  // before a message is sent
  std::size_t size = 64;                             // of a message
  unsigned requests = 9;  // of them, the one with the median time is kept
};

// Starts the model's server, traced, and then again, not traced. Throws Interrupted, Denied, and
// std::runtime_error with the server's last words.
Trace trace_model(const ModelInfo& model, const TraceSettings& settings, os::SignalQueue& signals);

// The times that all traces are drawn between, and a position: what comes before the message is
// pressed into a part of its own.
struct Scale {
  std::int64_t begin = -1, knee = 0, end = 1;
  double wait_width = 1, width = 2;
  double at(std::int64_t time) const;
  std::int64_t pressed_ms() const { return (500'000 - begin) / 1'000'000; }
};
Scale scale_of(const std::vector<Trace>& traces, double wait_width, double width);

// The threads that have a part in it: that of the handler, that which copies, and those that made a
// call between the data and the answer.
std::vector<int> threads_of(const Trace& trace);
// What it did when, in the order in which it is drawn: a later one hides an earlier one.
struct Piece {
  std::int64_t begin, end;
  char sign;  // of `signs`
};
std::vector<Piece> pieces_of(const Trace& trace, int thread);
struct Sign {
  char sign;
  const char *colour, *meaning;
};
inline constexpr std::array<Sign, 6> signs{{{'.', "#c9d3dc", "runs its own code"},
                                            {'-', "#f0d9a0", "sleeps in a call"},
                                            {'o', "#8a97a5", "another call"},
                                            {'?', "#d07a5c", "asks in vain"},
                                            {'>', "#7b62a8", "sends the answer"},
                                            {'#', "#2a6fb0", "the second phase"}}};

// What the process did in each phase, and whether POSIX calls that synchronous.
std::string sentence_of(const Trace& trace);
// What the tracing costs, and what that means.
std::string cost_of(const std::vector<Trace>& traces);
// Those of each call, which have a scale of their own.
std::vector<std::vector<Trace>> by_call(const std::vector<Trace>& traces);
// "recv: a message of 64 bytes comes, the median of 9 by time".
std::string heading_of(const Call& call, const TraceSettings& settings);
// For a terminal of 80 columns.
std::string text_of(const std::vector<Trace>& traces, const TraceSettings& settings);
std::string svg_of(const std::vector<Trace>& traces, const TraceSettings& settings);
// The key "trace" of the lab's schema.
Json json_of(const std::vector<Trace>& traces, const TraceSettings& settings);

}  // namespace polyio::lab
