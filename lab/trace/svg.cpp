// The textbook's figure of the two phases, as it was measured: a band for each model, one scale.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "../svg.hpp"
#include "trace.hpp"

namespace polyio::lab {
namespace {

using svg::text;

constexpr int left = 180, right = 40, drawn = 800, wait_part = 250, top = 56, row = 18;
constexpr int line = 15, width = left + drawn + right, letters = 140;  // in a line of text
constexpr std::string_view title = "The two phases, measured: wait, and have what was waited for";
constexpr const char* wait_colour = "#e0a030";
constexpr const char* copy_colour = "#2a6fb0";
constexpr std::string_view small = "font-size=\"11\"";
constexpr std::string_view middle = "text-anchor=\"middle\" font-size=\"11\"";

std::string bar(double begin, double end, int y, int height, std::string_view colour) {
  return fmt::format("<rect x=\"{:.1f}\" y=\"{}\" width=\"{:.1f}\" height=\"{}\" fill=\"{}\"/>\n",
                     begin, y, std::max(end - begin, 0.6), height, colour);
}

std::string rule(double x, int from, int to, std::string_view colour) {
  return fmt::format("<line x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1}\" y2=\"{2}\" stroke=\"{3}\"/>\n",
                     x, from, to, colour);
}

// In lines; `y` is that of the first, and then of what follows.
std::string paragraph(double x, int& y, std::string_view words, std::string_view more) {
  std::string lines;
  while (!words.empty()) {
    auto end = words.size() <= letters ? words.size() : words.rfind(' ', letters);
    if (end == words.npos) end = words.size();
    lines += text(x, y, words.substr(0, end), more);
    words.remove_prefix(std::min(end + 1, words.size()));
    y += line;
  }
  return lines;
}

class Figure {
 public:
  Figure(const std::vector<Trace>& traces, const TraceSettings& settings) : settings_(settings) {
    for (const auto& group : by_call(traces)) add_group(group);
    foot(traces);
  }
  std::string whole() const;

 private:
  double x(std::int64_t time) const { return left + scale_.at(time); }
  void add_group(const std::vector<Trace>& traces);
  void add(const Trace& trace);
  void phases(const Trace& trace);
  void foot(const std::vector<Trace>& traces);
  std::string grid(int from, int to, std::string_view zero = {}) const;

  Scale scale_;
  TraceSettings settings_;
  std::string body_;
  int y_ = top;
};

void Figure::phases(const Trace& trace) {
  if (trace.wait != Trace::Wait::none) {
    body_ += bar(x(trace.begin), x(0), y_, row - 3, wait_colour);
    body_ += text((x(trace.begin) + x(0)) / 2, y_ + 11,
                  trace.wait == Trace::Wait::asking
                      ? fmt::format("wait: {} in vain, {} times", trace.waits_in, trace.in_vain)
                      : "wait: in " + trace.waits_in,
                  middle);
  }
  body_ += bar(x(trace.copy_begin), x(trace.copied), y_, row - 3, copy_colour);
  const std::string label = fmt::format(
      "{}: {}", trace.call->phase,
      trace.copy == Trace::Copy::by_kernel ? "by the kernel, over at this time" : trace.copies_in);
  // Beside it, on the side where there is room.
  const bool fits = x(trace.copied) + 5 + 6.2 * static_cast<double>(label.size()) < width;
  body_ += text(fits ? x(trace.copied) + 5 : x(trace.copy_begin) - 5, y_ + 11, label,
                fits ? small : "text-anchor=\"end\" font-size=\"11\"");
  y_ += row;
}

void Figure::add_group(const std::vector<Trace>& traces) {
  const Call& call = *traces.front().call;
  scale_ = scale_of(traces, wait_part, drawn);
  body_ += text(10, y_, heading_of(call, settings_), "font-size=\"14\" font-weight=\"bold\"");
  y_ += 52;
  body_ += grid(y_ - 12, y_ - 6, call.zero);
  for (const Trace& trace : traces) add(trace);
  y_ += 24;
}

void Figure::add(const Trace& trace) {
  body_ += text(10, y_ + 12, trace.model, "font-weight=\"bold\" font-size=\"14\"");
  if (!trace.left_out.empty()) {
    y_ += 12;
    body_ += paragraph(left, y_, "not traced: " + trace.left_out, small);
    y_ += line;
    return;
  }
  body_ += text(10, y_ + 28, trace.architecture, "font-size=\"10\" fill=\"#566\"");
  body_ += text(10, y_ + 42, trace.synchronous ? "synchronous" : "asynchronous",
                "font-size=\"11\" font-style=\"italic\"");
  const std::vector<int> threads = threads_of(trace);
  body_ += grid(y_ - 3, y_ + row * (1 + static_cast<int>(threads.size())));
  phases(trace);
  for (const int thread : threads) {
    std::set<std::pair<char, int>> seen;  // those too small to be seen, by sign and place
    for (const Piece& piece : pieces_of(trace, thread)) {
      const bool tiny = x(piece.end) - x(piece.begin) < 0.5;
      if (tiny && !seen.emplace(piece.sign, static_cast<int>(2 * x(piece.begin))).second) continue;
      const bool runs = piece.sign == '.';
      const auto* const sign = std::ranges::find(signs, piece.sign, &Sign::sign);
      body_ +=
          bar(x(piece.begin), x(piece.end), y_ + (runs ? 5 : 1), runs ? 3 : row - 7, sign->colour);
    }
    if (thread == trace.handlers_thread) {
      body_ += rule(x(trace.handler), y_ - 2, y_ + row - 3, "#c02020");
    }
    body_ += text(left - 6, y_ + 11, fmt::format("thread {}", thread),
                  "text-anchor=\"end\" font-size=\"10\" fill=\"#566\"");
    y_ += row;
  }
  y_ += 9;
  body_ += paragraph(left, y_, sentence_of(trace), "font-size=\"11\" fill=\"#333\"");
  y_ += 10;
}

// The lines of a band; the axis above all has labels, and says what has happened at 0.
std::string Figure::grid(int from, int to, std::string_view zero) const {
  // About five round steps.
  std::int64_t step = 1000;
  for (int i = 0; step * 6 < scale_.end; ++i) step = i % 3 == 1 ? step * 5 / 2 : step * 2;
  std::string lines;
  for (std::int64_t at = 0; at <= scale_.end; at += step) {
    lines += rule(x(at), from, to, at == 0 ? "#444" : "#e4e8ec");
    if (zero.empty() || at == 0) continue;
    lines += text(x(at), from - 4, fmt::format("{} us", at / 1000), middle);
  }
  if (zero.empty()) return lines;
  lines += text(left, from - 4, fmt::format("{} ms, pressed together", scale_.pressed_ms()), small);
  return lines + text(x(0), from - 20, fmt::format("0: {}", zero), middle);
}

void Figure::foot(const std::vector<Trace>& traces) {
  double at = left;
  y_ += 10;
  for (const Sign& sign : signs) {
    body_ += bar(at, at + 12, y_ - 9, sign.sign == '.' ? 3 : 10, sign.colour);
    body_ += text(at + 16, y_, sign.meaning, small);
    at += 34 + 6.2 * static_cast<double>(std::string_view(sign.meaning).size());
  }
  body_ += rule(at, y_ - 10, y_ + 2, "#c02020");
  body_ += text(at + 5, y_, "handler", small);
  y_ += line + 5;
  body_ += paragraph(left, y_, cost_of(traces), "font-size=\"11\" fill=\"#566\"");
}

std::string Figure::whole() const {
  const std::string head = text(10, 24, title, "font-size=\"17\" font-weight=\"bold\"");
  return svg::document(width, y_, title, head + body_);
}

}  // namespace

std::string svg_of(const std::vector<Trace>& traces, const TraceSettings& settings) {
  return Figure(traces, settings).whole();
}

}  // namespace polyio::lab
