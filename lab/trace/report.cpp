// A trace as text for a terminal, and as JSON.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cmath>

#include "../marks.hpp"
#include "trace.hpp"

namespace polyio::lab {
namespace {

constexpr std::size_t columns = 80, label = 11, drawn = columns - label, wait_columns = 24;

double us(double ns) { return std::round(ns) / 1000; }
double us(std::int64_t ns) { return us(static_cast<double>(ns)); }

// Breaks it into lines, each after two blanks.
std::string wrapped(std::string_view text) {
  std::string lines;
  std::size_t used = columns;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(word.size() + 1, text.size()));
    if (used + 1 + word.size() > columns) {
      lines += lines.empty() ? " " : "\n ";
      used = 1;
    }
    lines += fmt::format(" {}", word);
    used += 1 + word.size();
  }
  return lines + "\n";
}

std::size_t column(const Scale& scale, std::int64_t time) {
  return std::min(static_cast<std::size_t>(scale.at(time)), drawn - 1);
}

void write_over(std::string& row, std::size_t at, std::string_view text) {
  text = text.substr(0, row.size() - at);
  row.replace(at, text.size(), text);
}

// "|------- wait -------|  |copy|".
std::string phases_of(const Trace& trace, const Scale& scale) {
  std::string row(drawn, ' ');
  const auto first = column(scale, trace.begin), ready = column(scale, 0);
  if (trace.wait != Trace::Wait::none) {
    row.replace(first, ready - first, ready - first, '=');
    if (ready - first > 8) write_over(row, first + (ready - first) / 2 - 3, " wait ");
  }
  write_over(row, column(scale, trace.copied), "|");
  write_over(row, column(scale, trace.copy_begin), fmt::format("|{}", trace.call->phase));
  return row;
}

std::string row_of(const Trace& trace, int thread, const Scale& scale) {
  std::string row(drawn, ' ');
  for (const Piece& piece : pieces_of(trace, thread)) {
    const auto first = column(scale, piece.begin), last = column(scale, piece.end);
    row.replace(first, last - first + 1, last - first + 1, piece.sign);
  }
  if (thread == trace.handlers_thread) row[column(scale, trace.handler)] = 'H';
  return row;
}

std::string result_of(const TracedCall& call) {
  if (!call.end) return " not over";
  switch (call.result) {
    case -EAGAIN: return "=EAGAIN";
    case -EINPROGRESS: return "=EINPROGRESS";
    case -ENOTCONN: return "=ENOTCONN";
    default: return fmt::format("={}", call.result);
  }
}

// Those that ended or began between the data and the answer.
std::string calls_of(const Trace& trace) {
  constexpr std::size_t most = 16;
  std::string text = "calls from then on:";
  std::size_t count = 0;
  for (const TracedCall& call : trace.calls) {
    if (call.end.value_or(call.begin) < 0 || call.begin > trace.answered) continue;
    if (++count > most) continue;
    text += fmt::format("{} {}{}", count > 1 ? "," : "", call.name, result_of(call));
    if (threads_of(trace).size() > 1) text += fmt::format(" ({})", call.thread);
  }
  if (count > most) text += fmt::format(" and {} more", count - most);
  return text;
}

std::string model_of(const Trace& trace, const Scale& scale) {
  if (!trace.left_out.empty()) {
    return fmt::format("\n{}\n{}", trace.model, wrapped("not traced: " + trace.left_out));
  }
  std::string text = fmt::format("\n{}{}{}\n", trace.model, trace.architecture.empty() ? "" : ", ",
                                 trace.architecture);
  const auto add = [&](const std::string& name, const std::string& row) {
    const std::string line = row.substr(0, row.find_last_not_of(' ') + 1);
    text += fmt::format("{:<{}}{}\n", name, label, line);
  };
  add("  phases", phases_of(trace, scale));
  for (const int thread : threads_of(trace)) {
    add(fmt::format("  thread {}", thread), row_of(trace, thread, scale));
  }
  text += wrapped(sentence_of(trace)) + wrapped(calls_of(trace));
  const bool serves = !trace.architecture.empty();
  const std::string waited = trace.wait == Trace::Wait::none
                                 ? ""
                                 : fmt::format("waited {:.1f} ms; ", -us(trace.begin) / 1000);
  text += wrapped(fmt::format(
      "traced: {}from 0 to the {}'s end {:.1f} us, to the {} {:.1f}{}", waited, trace.call->phase,
      us(trace.copied), serves ? "handler" : "program", us(trace.handler),
      serves ? fmt::format(", to the answer {:.1f}", us(trace.answered)) : ""));
  if (trace.free_handler) {
    text += wrapped(fmt::format(
        "not traced: from {} {:.1f} us{}", serves ? "the send to the handler" : "0 to the program",
        us(*trace.free_handler),
        serves ? fmt::format(", to the answer {:.1f}", us(*trace.free_answer)) : ""));
  }
  if (trace.calls_left_out > 0) {
    text += wrapped(fmt::format("{} calls of the wait are left out: more than {} were made",
                                trace.calls_left_out, most_calls));
  }
  return text;
}

// All models of one call, under its axis.
std::string group_of(const std::vector<Trace>& traces, const TraceSettings& settings) {
  const Scale scale = scale_of(traces, wait_columns, drawn);
  const Call& call = *traces.front().call;
  std::string axis(drawn, ' '), models;
  write_over(axis, 0, fmt::format("{} ms, pressed", scale.pressed_ms()));
  write_over(axis, column(scale, 0), "|0");
  const std::string end = fmt::format("{:.0f} us|", us(scale.end));
  write_over(axis, drawn - end.size(), end);
  for (const Trace& trace : traces) models += model_of(trace, scale);
  return "\n" + wrapped(fmt::format("{}; at 0 {}.", heading_of(call, settings), call.zero)) +
         fmt::format("\n{:<{}}{}\n{}", "", label, axis, models);
}

// Their median; 0: none was traced.
double empty_call_of(const std::vector<Trace>& traces) {
  std::vector<double> all;
  for (const Trace& trace : traces) {
    if (trace.left_out.empty()) all.push_back(trace.empty_call);
  }
  const auto spread = spread_of(std::move(all));
  return spread ? spread->median : 0;
}

Json json_of(const Trace& trace) {
  Json json{{"call", trace.call->name}, {"model", trace.model}};
  if (!trace.left_out.empty()) {
    json["left_out"] = trace.left_out;
    return json;
  }
  constexpr std::array waits{"same-call", "other-call", "asking", "none"};
  constexpr std::array copies{"handlers-thread", "other-thread", "kernel"};
  json["architecture"] = trace.architecture;
  json["clock_ns"] = trace.clock;
  json["times_us"] = {{"begin", us(trace.begin)},
                      {"sending", us(trace.sending)},
                      {"data", 0},
                      {"copy_begin", us(trace.copy_begin)},
                      {"copied", us(trace.copied)},
                      {"handler", us(trace.handler)},
                      {"answering", us(trace.answering)},
                      {"answered", us(trace.answered)}};
  json["handlers_thread"] = trace.handlers_thread;
  json["wait"] = {{"is", waits.at(static_cast<std::size_t>(trace.wait))},
                  {"call", trace.waits_in},
                  {"asked_in_vain", trace.in_vain}};
  json["copy"] = {{"by", copies.at(static_cast<std::size_t>(trace.copy))},
                  {"call", trace.copies_in},
                  {"thread", trace.copying_thread}};
  json["posix"] = trace.synchronous ? "synchronous" : "asynchronous";
  json["sentence"] = sentence_of(trace);
  json["untraced_us"] = nullptr;
  if (trace.free_handler) {
    json["untraced_us"] = {{"handler", us(*trace.free_handler)},
                           {"answer", us(*trace.free_answer)}};
  }
  json["threads"] = Json::array();
  for (const int thread : threads_of(trace)) {
    Json pieces = Json::array();
    for (const Piece& piece : pieces_of(trace, thread)) {
      pieces.push_back({us(piece.begin), us(piece.end), std::string(1, piece.sign)});
    }
    json["threads"].push_back({{"thread", thread}, {"pieces", std::move(pieces)}});
  }
  json["calls"] = Json::array();
  for (const TracedCall& call : trace.calls) {
    Json one{{"name", call.name}, {"thread", call.thread}, {"begin_us", us(call.begin)}};
    one["end_us"] = call.end ? Json(us(*call.end)) : Json();
    one["result"] = call.end ? Json(call.result) : Json();
    const bool of_bytes = !trace.call->nothing && (call.moves || call.answers);
    if (of_bytes) one["bytes"] = std::max<std::int64_t>(call.result, 0);
    json["calls"].push_back(std::move(one));
  }
  json["calls_left_out"] = trace.calls_left_out;
  json["signals"] = Json::array();
  for (const TracedSignal& signal : trace.signals) {
    json["signals"].push_back(
        {{"number", signal.number}, {"thread", signal.thread}, {"at_us", us(signal.at)}});
  }
  return json;
}

}  // namespace

std::string cost_of(const std::vector<Trace>& traces) {
  const double traced = empty_call_of(traces), free = static_cast<double>(cost_of_a_call().count());
  return fmt::format(
      "Traced by ptrace(2), which stops a thread on its way into and out of each call: a call that "
      "does nothing takes {:.1f} us so, and {:.2f} us otherwise. So this shows the order, and what "
      "waits for what; its times are not those of a server that is not traced. Synchronous, as "
      "POSIX has it: the thread that wants the data makes the call that copies them.",
      us(traced), us(free));
}

std::string text_of(const std::vector<Trace>& traces, const TraceSettings& settings) {
  std::string text, legend;
  for (const auto& group : by_call(traces)) text += group_of(group, settings);
  if (empty_call_of(traces) == 0) return text;  // none was traced
  for (const Sign& sign : signs) {
    legend += fmt::format("{} {}{}", sign.sign, sign.meaning, sign.sign == '?' ? "\n" : "  ");
  }
  return fmt::format("{}H handler, or program: has it\n{}\n{}", legend, text,
                     wrapped(cost_of(traces)));
}

Json json_of(const std::vector<Trace>& traces, const TraceSettings& settings) {
  Json trace{{"wait_us", us(settings.wait.count())},
             {"size", settings.size},
             {"requests", settings.requests},
             {"empty_call_us",
              {{"traced", us(empty_call_of(traces))}, {"untraced", us(cost_of_a_call().count())}}}};
  trace["models"] = Json::array();
  for (const Trace& one : traces) trace["models"].push_back(json_of(one));
  return {{"schema", 1}, {"machine", machine()}, {"trace", std::move(trace)}};
}

}  // namespace polyio::lab
