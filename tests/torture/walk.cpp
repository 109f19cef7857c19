#include "walk.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <polyio/base/sanitizers.hpp>
#include <set>
#include <thread>

#include "support/part.hpp"

#if POLYIO_ASAN
#include <sanitizer/lsan_interface.h>
#endif

namespace polyio::torture {
namespace {

using namespace std::chrono_literals;

constexpr unsigned seconds_of_a_run = POLYIO_ASAN || POLYIO_TSAN ? 60 : 15;
constexpr int first_exit_code = 50;  // + Ending; sanitizers have exit codes of their own

// What a run may leave behind, each by a name.
std::set<std::string> descriptors() {
  std::set<std::string> all;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code error;
    const auto target = std::filesystem::read_symlink(entry.path(), error);
    if (target.string().find("/fd") != std::string::npos) continue;  // this look itself
    all.insert(entry.path().filename().string() + " " + target.string());
  }
  return all;
}

std::multiset<std::string> threads() {
  std::multiset<std::string> all;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream file(entry.path() / "comm");
    std::string name;
    std::getline(file, name);
    if (name != "timekeeper") all.insert(name);  // one for ever, of the blocking model
  }
  return all;
}

// A thread is gone from /proc a moment after it was joined.
std::string thread_left() {
  for (int i = 0; i < 2000; ++i) {
    if (threads().size() <= 1) return {};
    std::this_thread::sleep_for(1ms);
  }
  std::string names;
  for (const auto& name : threads()) names += " " + name;
  return "threads are left:" + names + "\n";
}

std::string process_left() {
  siginfo_t info{};
  if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0) return {};
  return "a child process is left\n";
}

std::string left_over(const std::set<std::string>& before) {
  std::string left;
  for (const std::string& one : descriptors()) {
    if (!before.contains(one)) left += "a descriptor is left: " + one + "\n";
  }
  if (!POLYIO_TSAN) left += thread_left();  // it has threads of its own
  left += process_left();
#if POLYIO_ASAN
  if (__lsan_do_recoverable_leak_check() != 0) left += "memory is left\n";
#endif
  return left;
}

Ending judge(const Outcome& outcome, const std::string& left, std::string& said) {
  for (const std::string& error : outcome.errors()) said += "error: " + error + "\n";
  for (const std::string& wrong : outcome.wrongs()) said += "wrong: " + wrong + "\n";
  said += left;
  if (!outcome.wrongs().empty()) return Ending::wrong;
  if (!left.empty()) return Ending::left_over;
  if (fired() == Fired::impossible) return Ending::no_fault;
  if (!outcome.errors().empty()) return Ending::clear_error;
  return Ending::recovered;
}

// A process that runs one fault, seen from its parent.
struct Child {
  Fault fault;
  int words = -1;  // what it writes to stderr, and its counts behind
};

std::string contents(int file) {
  std::string text;
  char room[4096];
  ssize_t count = 0;
  for (off_t at = 0; (count = ::pread(file, room, sizeof room, at)) > 0; at += count) {
    text.append(room, static_cast<std::size_t>(count));
  }
  return text;
}

constexpr std::string_view counts_mark = "\ncounted:";

[[noreturn]] void be_child(const Scenario& scenario, const Fault& fault, int words) {
  ::dup2(words, STDERR_FILENO);
  ::dup2(words, STDOUT_FILENO);
  const Report run = run_here(scenario, fault);
  std::string text = run.said + std::string(counts_mark);
  for (const unsigned count : run.counted) text += " " + std::to_string(count);
  (void)!::write(words, text.data(), text.size());
  ::_exit(first_exit_code + static_cast<int>(run.ending));
}

std::pair<pid_t, Child> begin(const Scenario& scenario, const Fault& fault) {
  Child child{fault, ::memfd_create("said", MFD_CLOEXEC)};
  const pid_t pid = ::fork();
  if (pid < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (pid == 0) be_child(scenario, fault, child.words);
  return {pid, child};
}

Report finish(const Child& child, int status) {
  Report run;
  run.said = contents(child.words);
  ::close(child.words);
  if (const auto at = run.said.rfind(counts_mark); at != std::string::npos) {
    std::istringstream numbers(run.said.substr(at + counts_mark.size()));
    for (unsigned count = 0; numbers >> count;) run.counted.push_back(count);
    run.said.resize(at);
  }
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) - first_exit_code : -1;
  if (code >= 0 && code <= static_cast<int>(Ending::hung)) {
    run.ending = static_cast<Ending>(code);
  } else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) {
    run.ending = Ending::hung;
  } else {
    run.said += WIFSIGNALED(status) ? std::string("signal ") + ::strsignal(WTERMSIG(status))
                                    : "exit code " + std::to_string(WEXITSTATUS(status));
  }
  return run;
}

std::vector<Fault> faults_of(const std::vector<unsigned>& counted, const Reach& reach,
                             const Scenario& scenario, std::size_t& sites) {
  std::vector<Fault> all;
  const test::Part part = test::part();
  for (std::size_t line = 0; line < counted.size(); ++line) {
    const bool memory = lines()[line].name == "_Znwm";
    const unsigned most = memory ? reach.allocations : reach.calls;
    const unsigned chosen = std::min(counted[line], most);
    // ThreadSanitizer's pthread_create needs it, too, and is not prepared.
    if (POLYIO_TSAN && lines()[line].name == "pthread_attr_init") continue;
    sites += chosen;
    for (unsigned i = 0; i < chosen; ++i) {
      // The first half of what is tried are the first calls, the rest is spread over the others.
      const unsigned first = (chosen + 1) / 2;
      const unsigned number =
          counted[line] <= most || i < first
              ? i + 1
              : first + (counted[line] - first) * (i - first + 1) / (chosen - first);
      for (const int error : lines()[line].faults) {
        // At an edge EAGAIN promises an event for the next bytes, and ENOTCONN one for the
        // connection: the kernel keeps that.
        const bool edge = scenario.model == "epoll-et" || scenario.model == "sigio";
        const bool promise =
            error == EAGAIN || (error == ENOTCONN && lines()[line].name == "getpeername");
        if (edge && promise) continue;
        // Of a socket that is one: sigio asks what a descriptor is.
        const bool no_socket = error == ENOTSOCK && lines()[line].name == "getsockopt";
        // To a descriptor that was closed unseen no signal is sent, so none is asked for.
        const bool closed = error == EBADF && lines()[line].name == "fcntl";
        if ((no_socket || closed) && scenario.model == "sigio") continue;
        if (!part.has(line + number + static_cast<unsigned>(error))) continue;
        all.push_back({line, number, error});
      }
    }
  }
  return all;
}

void count(Tally& tally, const Scenario& scenario, const Fault& fault, const Report& run) {
  if (run.ending == Ending::no_fault) {
    ++tally.no_fault;
    return;
  }
  ++tally.tries;
  if (run.ending == Ending::recovered) ++tally.recovered;
  if (run.ending == Ending::clear_error) ++tally.clear_error;
  if (!failed(run.ending)) return;
  ++tally.failed;
  tally.failures.push_back(
      fmt::format("{}\n{}\nPOLYIO_FAULT='{} {}' polyio_test_torture --gtest_filter=Repeat.*",
                  name_of(run.ending), run.said, scenario.text(), text_of(fault)));
}

}  // namespace

std::string_view name_of(Ending ending) {
  constexpr std::array names{"recovered", "clear error", "no fault", "wrong",
                             "left over", "crashed",     "hung"};
  return names[static_cast<std::size_t>(ending)];
}

Report run_here(const Scenario& scenario, const Fault& fault) {
  ::signal(SIGALRM, SIG_DFL);
  ::alarm(seconds_of_a_run);
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGTERM, SIG_IGN);  // of a server that has ended by itself
  const auto before = descriptors();
  Report run;
  Outcome outcome;
  run_scenario(scenario, fault, outcome);
  run.counted = counts();
  run.ending = judge(outcome, left_over(before), run.said);
  const bool never = fault.number > 0 && fired() == Fired::no;
  if (never && !failed(run.ending)) run.ending = Ending::no_fault;
  return run;
}

Report run_apart(const Scenario& scenario, const Fault& fault) {
  const auto [pid, child] = begin(scenario, fault);
  int status = 0;
  ::waitpid(pid, &status, 0);
  return finish(child, status);
}

// Several at a time: most of a run is waiting, but where that is spinning.
Tally walk(const Scenario& scenario, const Reach& reach) {
  Tally tally;
  const Report plain = run_apart(scenario, {});
  if (plain.ending != Ending::recovered) {
    ++tally.failed;
    tally.failures.push_back(fmt::format("{} without a fault: {}\n{}", scenario.text(),
                                         name_of(plain.ending), plain.said));
    return tally;
  }
  const auto faults = faults_of(plain.counted, reach, scenario, tally.sites);
  std::map<pid_t, Child> running;
  const std::size_t at_once = scenario.model == "nonblocking" ? 2 : 6;
  std::size_t next = 0;
  while (next < faults.size() || !running.empty()) {
    if (next < faults.size() && running.size() < at_once) {
      running.insert(begin(scenario, faults[next++]));
      continue;
    }
    int status = 0;
    const pid_t pid = ::waitpid(-1, &status, 0);
    const auto child = running.find(pid);
    if (child == running.end()) continue;
    count(tally, scenario, child->second.fault, finish(child->second, status));
    running.erase(child);
    if (tally.failed >= 40) next = faults.size();
  }
  return tally;
}

}  // namespace polyio::torture
