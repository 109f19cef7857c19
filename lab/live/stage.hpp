// Stage: a server and a load on it, as child processes, whose dials are turned while they run, and
// what is seen of them. A turn does the least it can: the model alone is changed under the open
// connections (Server::set_model), where that can be; a dial of the load gives a new load; the rest
// a new server. What fails is said, and the next turn starts again. Nothing here waits.
#pragma once

#include <deque>
#include <functional>
#include <memory>

#include "beside.hpp"
#include "dials.hpp"
#include "lab/load/process.hpp"

namespace polyio::lab {

class Stage {
 public:
  struct Options {
    Json machine;        // as the page shows it
    Settings cores;      // the server's and the load's
    double every = 0.5;  // seconds from figure to figure
    double kept = 120;   // seconds of them that are kept
  };
  // Messages for the page (docs/lab.md).
  using Tell = std::function<void(const Json&)>;

  Stage(Options options, Point start, Bounds bounds, Tell tell);

  const Point& position() const noexcept { return point_; }
  // `wanted` goes together (turned()). Tells.
  void turn(const Point& wanted);
  // Takes what its processes have printed, and tells what is new; several times a second.
  void look();

  // For a page that comes: what there is of each, in the order in which it is to be sent.
  std::vector<Json> all() const;

 private:
  enum class Phase { starting, connecting, running, failed };

  double now() const;
  Json state() const;
  void say(std::string text);
  void mark(std::string text);
  void fail(const std::string& why);
  void start_server();
  void start_load();
  void change_model(const Point& before);
  std::string why_new_server(const Point& before) const;
  void read_server();
  void answered(const std::string& line);
  void read_load();
  void take_figures(const Json& load);
  void add_usage(Json& figures, double seconds, double requests);
  void look_beside();

  Options options_;
  Point point_;
  Bounds bounds_;
  Tell tell_;
  Beside beside_;
  const Deadline begun_;
  Phase phase_ = Phase::starting;
  std::string says_;  // what happened last
  // Until when the server or the load must have begun, and the server have answered.
  Deadline patience_ = never, change_patience_ = never;
  unsigned changes_ = 0;  // of the model, that the server has not answered
  std::unique_ptr<Child> server_, load_;
  std::string address_;
  unsigned figures_since_turn_ = 0;
  // Of the server, as it was read last; and what has been done since.
  bool usage_known_ = false;
  Usage usage_;
  double usage_seconds_ = 0, usage_requests_ = 0;
  Deadline next_reading_{};
  std::deque<Json> figures_, marks_;
};

}  // namespace polyio::lab
