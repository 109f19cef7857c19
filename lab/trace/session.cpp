// Records a request: the client, the tracer and the clock are one thread, so the times of one are
// in order with those of the others.
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <optional>

#include "../engine.hpp"
#include "../load/network.hpp"
#include "../marks.hpp"
#include "../statistics.hpp"
#include "recorder.hpp"

namespace polyio::lab {
namespace {

using namespace std::chrono_literals;

constexpr Nanoseconds patience = 20s;

std::int64_t since(TimePoint origin, TimePoint at) { return (at - origin).count(); }

// A server, and a client's connection to it.
class Session {
 public:
  Session(const Point& point, const TraceSettings& settings, os::SignalQueue& signals, bool traced);
  // One message, after it has waited.
  Trace exchange();
  const Marks& marks() const { return *marks_.get(); }

 private:
  bool go_on(Nanoseconds at_most, const std::function<bool()>& done);
  void receive_answer();

  const TraceSettings& settings_;
  os::SignalQueue& signals_;
  SharedMarks marks_;
  Recorder recorder_;
  Child server_;
  std::optional<Tracer> tracer_;
  os::UniqueFd client_;
  TimePoint answered_;
};

std::vector<std::string> marked(std::vector<std::string> arguments, int marks) {
  arguments.insert(arguments.end(), {"--marks", std::to_string(marks)});
  return arguments;
}

Session::Session(const Point& point, const TraceSettings& settings, os::SignalQueue& signals,
                 bool traced)
    : settings_(settings),
      signals_(signals),
      server_({.arguments = marked(server_arguments(point), marks_.fd()), .traced = traced}) {
  if (traced) tracer_.emplace(server_, [this](const Stop& stop) { recorder_.see(stop); });
  recorder_.thread_of(server_.pid());
  std::optional<std::string> ready;
  const bool started = go_on(patience, [&] {
    ready = server_.take_line();
    return ready.has_value();
  });
  if (!started) throw std::runtime_error("the server does not start: " + server_.last_words());
  client_.reset(connect_one(parse_server(ready_address(server_, ready)), 0));
  (void)exchange();  // the warm-up
}

// Lets the server go on, from stop to stop, until `done`: true, or the time is over.
bool Session::go_on(Nanoseconds at_most, const std::function<bool()>& done) {
  const Deadline end = monotonic_now() + at_most;
  for (;;) {
    while (const int signal = signals_.next()) {
      if (signal != SIGCHLD) throw Interrupted{signal};
    }
    if (done()) return true;
    const Nanoseconds left = end - monotonic_now();
    if (left.count() <= 0) return false;
    if (tracer_ && tracer_->step()) continue;
    if (tracer_ && tracer_->ended()) {
      throw std::runtime_error("the server has ended: " + server_.last_words());
    }
    // A stop comes with SIGCHLD. A short wait all the same: the server's output is not waited for.
    std::array<pollfd, 2> waited{{{signals_.fd(), POLLIN, 0}, {client_.get(), POLLIN, 0}}};
    const timespec pause{0, std::min<Nanoseconds>(left, 5ms).count()};
    ::ppoll(waited.data(), waited.size(), &pause, nullptr);
  }
}

void Session::receive_answer() {
  std::string answer(settings_.size, '\0');
  std::size_t size = 0;
  const bool came = go_on(patience, [&] {
    const ssize_t got =
        ::recv(client_.get(), answer.data() + size, answer.size() - size, MSG_DONTWAIT);
    if (got > 0) size += static_cast<std::size_t>(got);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
      throw std::runtime_error("the server has closed the connection: " + server_.last_words());
    }
    return size == answer.size();
  });
  answered_ = monotonic_now();
  if (!came) throw std::runtime_error("no answer comes");
  if (answer != std::string(settings_.size, 'A')) throw std::runtime_error("a wrong answer came");
}

Trace Session::exchange() {
  const std::string message(settings_.size, 'a');
  recorder_.start();
  const TimePoint begin = monotonic_now();
  (void)go_on(settings_.wait, [] { return false; });
  const TimePoint sending = monotonic_now();
  const ssize_t sent = ::send(client_.get(), message.data(), message.size(), MSG_NOSIGNAL);
  const TimePoint data = monotonic_now();
  if (sent != static_cast<ssize_t>(message.size())) {
    throw std::runtime_error("the message can't be sent: " + server_.last_words());
  }
  receive_answer();
  (void)go_on(100ms, [&] { return !recorder_.answers(); });
  Trace trace;
  trace.begin = since(data, begin);
  trace.sending = since(data, sending);
  trace.handler = marks_->began - data.time_since_epoch().count();
  trace.answering = marks_->sending - data.time_since_epoch().count();
  trace.answered = since(data, answered_);
  trace.clock = data.time_since_epoch().count();
  trace.handlers_thread = recorder_.thread_of(marks_->thread);
  recorder_.take(trace, data);
  return trace;
}

}  // namespace

Trace trace_model(const ModelInfo& model, const TraceSettings& settings, os::SignalQueue& signals) {
  Point point{.model = model.model, .architecture = {}, .handler = "echo"};
  point.size = settings.size;
  if (!model.available || model.architectures.empty()) {
    return {.model = model.model, .left_out = model.reason};
  }
  point.architecture = model.architectures.front();
  Trace trace;
  {
    Session session(point, settings, signals, true);
    std::vector<Trace> all;
    all.reserve(settings.requests);
    for (unsigned i = 0; i < settings.requests; ++i) all.push_back(session.exchange());
    const auto middle = all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2);
    std::ranges::nth_element(all, middle, {},
                             [](const Trace& one) { return one.answered - one.sending; });
    trace = std::move(*middle);
    trace.empty_call = static_cast<double>(session.marks().empty_call);
  }
  trace.model = model.model;
  trace.architecture = point.architecture;
  judge(trace);
  Session free(point, settings, signals, false);
  std::vector<double> handler, answer;
  handler.reserve(settings.requests);
  answer.reserve(settings.requests);
  for (unsigned i = 0; i < settings.requests; ++i) {
    const Trace one = free.exchange();
    handler.push_back(static_cast<double>(one.handler - one.sending));
    answer.push_back(static_cast<double>(one.answered - one.sending));
  }
  trace.free_handler = spread_of(std::move(handler))->median;
  trace.free_answer = spread_of(std::move(answer))->median;
  return trace;
}

}  // namespace polyio::lab
