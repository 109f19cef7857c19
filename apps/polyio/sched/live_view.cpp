#include "sched/live_view.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

namespace polyio::app {
namespace {

double in_ms(sched::Span span) { return static_cast<double>(span) / 1000; }

// As many names as fit.
std::string names(const std::vector<const RunJob*>& jobs) {
  constexpr std::size_t most = 60;
  std::string text;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const std::string& name = jobs[i]->spec->job.name;
    if (text.size() + name.size() > most) {
      return text + fmt::format(" and {} more", jobs.size() - i);
    }
    text += (i == 0 ? "" : " ") + name;
  }
  return text;
}

std::vector<const RunJob*> those(const Runner& runner, auto condition) {
  std::vector<const RunJob*> found;
  for (const RunJob& job : runner.jobs()) {
    if (condition(job)) found.push_back(&job);
  }
  return found;
}

}  // namespace

std::string progress_line(const Runner& runner) {
  const auto count = [&](auto condition) { return those(runner, condition).size(); };
  const RunJob* const running = runner.running();
  return fmt::format("{:.1f} s: {}, {} ready, {} waiting, {} to come, {} ended",
                     in_ms(runner.now()) / 1000,
                     running ? running->spec->job.name + " runs" : "none runs",
                     count([](const RunJob& job) { return job.state == State::ready; }),
                     count([](const RunJob& job) { return job.state == State::io; }),
                     count([](const RunJob& job) { return !job.arrived; }),
                     count([](const RunJob& job) { return job.ended; }));
}

std::string LiveView::lines() const {
  std::string text =
      fmt::format("{}  {:.1f} s\n", policy_, static_cast<double>(runner_.now()) / 1e6);
  const RunJob* const running = runner_.running();
  text += fmt::format(
      "  runs     {}\n",
      running ? fmt::format("{}, {:.0f} ms computed", running->spec->job.name, in_ms(running->cpu))
              : "");
  // By queue; within one, in the order in which they came, or by burst where that is the order.
  std::map<std::uint32_t, std::vector<const RunJob*>> queues;
  for (const RunJob* const job :
       those(runner_, [](const RunJob& one) { return one.state == State::ready; })) {
    queues[job->level].push_back(job);
  }
  if (queues.empty()) text += "  ready\n";
  const bool by_burst = policy_.starts_with("sjf");
  for (auto& [level, queue] : queues) {
    std::ranges::sort(queue, {}, [&](const RunJob* job) {
      return std::tuple(by_burst ? job->burst : 0, job->since, job->rank);
    });
    text += fmt::format("  ready {:<2} {}\n", level, names(queue));
  }
  text +=
      fmt::format("  waiting  {}\n",
                  names(those(runner_, [](const RunJob& job) { return job.state == State::io; })));
  text += fmt::format("  to come  {}\n",
                      names(those(runner_, [](const RunJob& job) { return !job.arrived; })));
  text += fmt::format("  ended    {}\n",
                      names(those(runner_, [](const RunJob& job) { return job.ended; })));
  return text;
}

void LiveView::erase() {
  // To the first line of what was drawn, and everything from there on away.
  if (drawn_ > 0) fmt::print("\x1b[{}A\x1b[J", drawn_);
  drawn_ = 0;
  (void)std::fflush(stdout);
}

void LiveView::draw() {
  erase();
  const std::string text = lines();
  // A line wider than the terminal is cut by it, for a second row would be counted wrong.
  fmt::print("\x1b[?7l{}\x1b[?7h", text);
  drawn_ = static_cast<std::size_t>(std::ranges::count(text, '\n'));
  (void)std::fflush(stdout);
}

void LiveView::print(std::string_view output) {
  erase();
  std::string text = printable_.take(output);
  if (!text.empty() && text.back() != '\n') text += '\n';
  fmt::print("{}", text);
  draw();
}

}  // namespace polyio::app
