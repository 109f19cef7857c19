#include "chart_svg.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "plan.hpp"
#include "svg.hpp"

namespace polyio::lab {
namespace {

constexpr double left = 84, top = 50, drawn_width = 440, drawn_height = 290, entry = 20;
constexpr double letter = 6.6;          // about the width of one, of 12 pixels
constexpr double apart = 50;            // from here on logarithmic
constexpr double largest_drawn = 1e18;  // figures end at 1e15
constexpr std::array dashes{"none", "8 3", "2 3", "10 3 2 3", "5 3", "12 3 2 3 2 3", "1 4 6 4"};
constexpr std::array steps{1.0, 2.0, 5.0, 10.0};

bool drawable(double value) { return std::isfinite(value) && std::abs(value) <= largest_drawn; }

// 1, 2 or 5 by a power of ten, not below `least`.
double round_step(double least) {
  const double power = std::pow(10, std::floor(std::log10(least)));
  const auto found =
      std::ranges::find_if(steps, [&](double step) { return step * power >= least * (1 - 1e-9); });
  return power * (found == steps.end() ? 10 : *found);
}

class Axis {
 public:
  // `whole`: it begins and ends at round numbers, at 0 if it is not logarithmic.
  Axis(const std::vector<double>& values, bool whole);
  // From 0 to 1.
  double at(double value) const { return (place(value) - low_) / (high_ - low_); }
  const std::vector<double>& ticks() const { return ticks_; }

 private:
  double place(double value) const { return log_ ? std::log10(value) : value; }
  void linear(double low, double high, bool whole);
  void logarithmic(double low, double high, bool whole);

  bool log_ = false;
  double low_ = 0, high_ = 1;  // places
  std::vector<double> ticks_;
};

Axis::Axis(const std::vector<double>& values, bool whole) {
  if (values.empty()) return;
  const auto [low, high] = std::ranges::minmax(values);
  log_ = low > 0 && high / low >= apart;
  if (log_) {
    logarithmic(low, high, whole);
  } else {
    linear(low, high, whole);
  }
}

void Axis::linear(double low, double high, bool whole) {
  if (whole) low = std::min(low, 0.0);
  if (whole) high = std::max(high, 0.0);
  if (low == high) {  // one place, in the middle
    ticks_ = {low};
    const double room = std::max(1.0, std::abs(low));
    low_ = low - room;
    high_ = high + room;
    return;
  }
  const double step = round_step((high - low) / 5);
  if (whole) {
    low = std::floor(low / step) * step;
    high = std::ceil(high / step) * step;
  }
  low_ = low;
  high_ = high;
  for (double tick = std::ceil(low / step - 1e-9); tick <= high / step + 1e-9; ++tick) {
    ticks_.push_back(tick * step);
  }
}

void Axis::logarithmic(double low, double high, bool whole) {
  const double first = std::floor(std::log10(low)), last = std::ceil(std::log10(high));
  const bool few = last - first <= 3;
  const double thin = std::ceil((last - first) / 10);
  for (double power = first; power <= last; power += few ? 1 : thin) {
    for (const double step : {1.0, 2.0, 5.0}) {
      if (step == 1 || few) ticks_.push_back(step * std::pow(10, power));
    }
  }
  if (whole) {
    const auto above = std::ranges::upper_bound(ticks_, low);
    if (above != ticks_.begin()) low = std::min(low, *std::prev(above));
    const auto end = std::ranges::lower_bound(ticks_, high);
    if (end != ticks_.end()) high = *end;
  }
  std::erase_if(ticks_,
                [&](double tick) { return tick < low * (1 - 1e-9) || tick > high * (1 + 1e-9); });
  low_ = std::log10(low);
  high_ = std::log10(high);
}

std::string label_of(double value) {
  const bool plain = value >= 0 && value < 1e7 && std::abs(value - std::round(value)) < 1e-9;
  return plain ? grouped(static_cast<std::uint64_t>(std::llround(value)))
               : fmt::format("{:.4g}", value);
}

std::string stroke(double x1, double y1, double x2, double y2, std::string_view more) {
  return fmt::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" {}/>\n", x1, y1,
                     x2, y2, more);
}

// Seven shapes, filled and then hollow.
std::string marker(std::size_t line, double x, double y) {
  constexpr std::array shapes{"",  // a circle
                              "M-3.6 -3.6H3.6V3.6H-3.6Z",
                              "M0 -4.8L4.6 3.4H-4.6Z",
                              "M0 -5L5 0L0 5L-5 0Z",
                              "M0 4.8L4.6 -3.4H-4.6Z",
                              "M-4 -4L4 4M-4 4L4 -4",
                              "M0 -5V5M-5 0H5"};
  const std::size_t shape = line % shapes.size();
  const char* const fill = line / shapes.size() % 2 == 0 ? "#000" : "#fff";
  if (shape == 0) {
    return fmt::format(
        "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3.8\" fill=\"{}\" stroke=\"#000\"/>\n", x, y,
        fill);
  }
  return fmt::format(
      "<path transform=\"translate({:.1f} {:.1f})\" d=\"{}\" fill=\"{}\" stroke=\"#000\"/>\n", x, y,
      shapes.at(shape), fill);
}

// Beyond seven lines another pair of dashes and marker than that of the first ones.
std::string look_of(std::size_t line) {
  return fmt::format("fill=\"none\" stroke=\"#000\" stroke-width=\"1.3\" stroke-dasharray=\"{}\"",
                     dashes.at((line + line / dashes.size()) % dashes.size()));
}

struct Place {
  double x, y;
};

// In pieces: where a value is missing, the line is broken.
std::vector<std::vector<Place>> pieces_of(const Graph::Line& line) {
  std::vector<std::vector<Place>> pieces(1);
  for (std::size_t i = 0; i < std::min(line.x.size(), line.y.size()); ++i) {
    if (line.y[i] && drawable(line.x[i]) && drawable(*line.y[i])) {
      pieces.back().push_back({line.x[i], *line.y[i]});
    } else if (!pieces.back().empty()) {
      pieces.emplace_back();
    }
  }
  return pieces;
}

std::vector<double> values_of(const Graph& graph, double Place::* which) {
  std::vector<double> values;
  for (const Graph::Line& line : graph.lines) {
    for (const auto& piece : pieces_of(line)) {
      for (const Place& place : piece) values.push_back(place.*which);
    }
  }
  return values;
}

class Chart {
 public:
  explicit Chart(const Graph& graph)
      : graph_(graph),
        x_(values_of(graph, &Place::x), false),
        y_(values_of(graph, &Place::y), true) {}
  std::string whole(std::string_view title) const;

 private:
  double x(double value) const { return left + x_.at(value) * drawn_width; }
  double y(double value) const { return top + (1 - y_.at(value)) * drawn_height; }
  std::string axes() const;
  std::string line(std::size_t number) const;
  std::string legend() const;

  const Graph& graph_;
  Axis x_, y_;
};

std::string Chart::axes() const {
  constexpr double bottom = top + drawn_height, right = left + drawn_width;
  std::string body;
  for (const double tick : y_.ticks()) {
    body += stroke(left, y(tick), right, y(tick), "stroke=\"#ddd\"");
    body += svg::text(left - 8, y(tick) + 4, label_of(tick), "text-anchor=\"end\"");
  }
  for (const double tick : x_.ticks()) {
    body += stroke(x(tick), bottom, x(tick), bottom + 5, "stroke=\"#000\"");
    body += svg::text(x(tick), bottom + 19, label_of(tick), "text-anchor=\"middle\"");
  }
  body += stroke(left, top, left, bottom, "stroke=\"#000\"");
  body += stroke(left, bottom, right, bottom, "stroke=\"#000\"");
  body += svg::text(left + drawn_width / 2, bottom + 40, graph_.x_label, "text-anchor=\"middle\"");
  constexpr double middle = top + drawn_height / 2;
  return body +
         svg::text(18, middle, graph_.y_label,
                   fmt::format("text-anchor=\"middle\" transform=\"rotate(-90 18 {})\"", middle));
}

std::string Chart::line(std::size_t number) const {
  std::string strokes, markers;
  for (const auto& piece : pieces_of(graph_.lines[number])) {
    std::string points;
    for (const Place& place : piece) {
      points += fmt::format("{}{:.1f},{:.1f}", points.empty() ? "" : " ", x(place.x), y(place.y));
      markers += marker(number, x(place.x), y(place.y));
    }
    if (piece.size() < 2) continue;
    strokes += fmt::format("<polyline points=\"{}\" {}/>\n", points, look_of(number));
  }
  return strokes + markers;
}

std::string Chart::legend() const {
  constexpr double begin = left + drawn_width + 20;
  std::string body;
  for (std::size_t i = 0; i < graph_.lines.size(); ++i) {
    const double middle = top + 8 + entry * static_cast<double>(i);
    body += stroke(begin, middle, begin + 40, middle, look_of(i)) + marker(i, begin + 20, middle);
    body += svg::text(begin + 48, middle + 4, graph_.lines[i].name);
  }
  return body;
}

std::string Chart::whole(std::string_view title) const {
  std::size_t longest = 0;
  for (const Graph::Line& line : graph_.lines) longest = std::max(longest, line.name.size());
  const auto names = static_cast<double>(longest);
  const double wide = std::max(left + drawn_width + 80 + names * letter,
                               20 + static_cast<double>(title.size()) * letter * 1.25);
  const double high = std::max(top + drawn_height + 56,
                               top + 20 + entry * static_cast<double>(graph_.lines.size()));
  std::string body = svg::text(10, 24, title, "font-size=\"15\" font-weight=\"bold\"") + axes();
  for (std::size_t i = 0; i < graph_.lines.size(); ++i) body += line(i);
  return svg::document(static_cast<int>(wide), static_cast<int>(high), title, body + legend());
}

}  // namespace

std::string svg_of(const Graph& graph, std::string_view title) { return Chart(graph).whole(title); }

}  // namespace polyio::lab
