// Records a request: the client, the tracer and the clock are one thread, so the times of one are
// in order with those of the others.
#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <csignal>
#include <memory>
#include <optional>

#include "../engine.hpp"
#include "../marks.hpp"
#include "../statistics.hpp"
#include "client.hpp"
#include "recorder.hpp"

namespace polyio::lab {
namespace {

using namespace std::chrono_literals;

constexpr Nanoseconds patience = 20s;

std::int64_t since(TimePoint origin, TimePoint at) { return (at - origin).count(); }

// A traced process, and a client of it.
class Session {
 public:
  Session(const Point& point, const TraceSettings& settings, os::SignalQueue& signals, bool traced);
  // One call, after it has waited.
  Trace exchange();
  const Marks& marks() const { return *marks_.get(); }

 private:
  std::vector<std::string> arguments(const Point& point) const;
  TimePoint let_wait();
  bool go_on(Nanoseconds at_most, const std::function<bool()>& done);
  void await(std::string_view what, const std::function<bool()>& done);

  const TraceSettings& settings_;
  const bool serves_;  // a server is traced
  os::SignalQueue& signals_;
  SharedMarks marks_;
  Recorder recorder_;
  std::unique_ptr<Client> client_;
  Child server_;
  std::optional<Tracer> tracer_;
};

// Of recv a server of the lab is the subject; of the others this command, with the marks.
std::vector<std::string> Session::arguments(const Point& point) const {
  std::vector<std::string> words =
      serves_ ? server_arguments(point)
              : std::vector<std::string>{"lab",     "trace",
                                         "--model", point.model,
                                         "--call",  std::string(settings_.call->name),
                                         "--size",  std::to_string(settings_.size)};
  words.insert(words.end(), {"--marks", std::to_string(marks_.fd())});
  if (const std::string target = client_->target(); !target.empty()) {
    words.insert(words.end(), {"--server", target});
  }
  return words;
}

Session::Session(const Point& point, const TraceSettings& settings, os::SignalQueue& signals,
                 bool traced)
    : settings_(settings),
      serves_(settings.call->name == "recv"),
      signals_(signals),
      recorder_(*settings.call),
      client_(make_client(*settings.call, settings.size, *marks_.get())),
      server_({.arguments = arguments(point), .traced = traced}) {
  if (traced) tracer_.emplace(server_, [this](const Stop& stop) { recorder_.see(stop); });
  recorder_.thread_of(server_.pid());
  std::optional<std::string> ready;
  const bool started = go_on(patience, [&] {
    ready = server_.take_line();
    return ready.has_value();
  });
  if (!started) throw std::runtime_error("the server does not start: " + server_.last_words());
  client_->meet(ready_address(server_, ready));
  if (!settings.call->any) (void)exchange();  // the warm-up
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
    // A stop comes with SIGCHLD. A short wait all the same: other things are not waited for.
    std::array<pollfd, 2> waited{{{signals_.fd(), POLLIN, 0}, {client_->descriptor(), POLLIN, 0}}};
    const timespec pause{0, std::min<Nanoseconds>(left, 5ms).count()};
    ::ppoll(waited.data(), waited.size(), &pause, nullptr);
  }
}

void Session::await(std::string_view what, const std::function<bool()>& done) {
  if (!go_on(patience, done)) {
    throw std::runtime_error(fmt::format("{} does not come {}", what, server_.last_words()));
  }
}

// When it began to wait, and it still does.
TimePoint Session::let_wait() {
  const bool asks = !serves_ && !settings_.call->waits.empty();
  for (int tries = 0; tries < 100; ++tries) {
    recorder_.start();
    TimePoint begin = monotonic_now();
    if (asks) {
      await("its question", [&] { return marks_->asked > marks_->began; });
      begin = TimePoint(Nanoseconds(marks_->asked));
    }
    (void)go_on(settings_.wait, [] { return false; });
    // The kernel may find some room by itself, when it sends again what had been dropped.
    if (!asks || marks_->asked > marks_->began) return begin;
  }
  throw std::runtime_error("it does not wait");
}

Trace Session::exchange() {
  const TimePoint begin = let_wait();
  const Client::Moment moment =
      client_->act([this](const auto& done) { await("what it waits for", done); });
  await("the end of the call", [this] { return client_->done(); });
  const TimePoint answered = monotonic_now();
  (void)go_on(100ms, [&] { return !recorder_.answers(); });
  const TimePoint data = moment.data;
  const std::int64_t origin = data.time_since_epoch().count();
  if (!serves_) recorder_.follow(marks_->descriptor);
  Trace trace;
  trace.call = settings_.call;
  trace.begin = since(data, begin);
  trace.sending = since(data, moment.sending);
  trace.handler = marks_->began - origin;
  trace.answering = serves_ ? marks_->sending - origin : trace.handler;
  trace.answered = since(data, answered);
  trace.clock = origin;
  trace.handlers_thread = recorder_.thread_of(marks_->thread);
  recorder_.take(trace, data);
  return trace;
}

}  // namespace

Trace trace_model(const ModelInfo& model, const TraceSettings& settings, os::SignalQueue& signals) {
  Point point{.model = model.model, .architecture = {}, .handler = "echo"};
  point.size = settings.size;
  if (!model.available || model.architectures.empty()) {
    return {.call = settings.call, .model = model.model, .left_out = model.reason};
  }
  point.architecture = model.architectures.front();
  // A connection takes a second; and that it is there is seen too late for a time without tracing.
  const unsigned requests = settings.call->any ? 1 : settings.requests;
  Trace trace;
  {
    Session session(point, settings, signals, true);
    std::vector<Trace> all;
    all.reserve(requests);
    for (unsigned i = 0; i < requests; ++i) all.push_back(session.exchange());
    const auto middle = all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2);
    std::ranges::nth_element(all, middle, {},
                             [](const Trace& one) { return one.answered - one.sending; });
    trace = std::move(*middle);
    trace.empty_call = static_cast<double>(session.marks().empty_call);
  }
  trace.model = model.model;
  if (settings.call->name == "recv") trace.architecture = point.architecture;
  judge(trace);
  if (settings.call->any) return trace;
  Session free(point, settings, signals, false);
  std::vector<double> handler, answer;
  handler.reserve(requests);
  answer.reserve(requests);
  for (unsigned i = 0; i < requests; ++i) {
    const Trace one = free.exchange();
    handler.push_back(static_cast<double>(std::max<std::int64_t>(one.handler - one.sending, 0)));
    answer.push_back(static_cast<double>(one.answered - one.sending));
  }
  trace.free_handler = spread_of(std::move(handler))->median;
  trace.free_answer = spread_of(std::move(answer))->median;
  return trace;
}

}  // namespace polyio::lab
