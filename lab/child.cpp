#include "child.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <polyio/base/clock.hpp>
#include <polyio/os/file.hpp>
#include <stdexcept>
#include <system_error>

namespace polyio::lab {
namespace {

constexpr std::size_t longest_line = 1 << 20;

[[noreturn]] void give_up(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

void stay_on(const std::vector<int>& cores) {
  if (cores.empty()) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int core : cores) CPU_SET(static_cast<std::size_t>(core), &set);
  if (::sched_setaffinity(0, sizeof set, &set) != 0) ::_exit(not_started);
}

// In the child: what it is before it becomes the program.
void prepare(const Child::Options& options, pid_t parent, int input, int output, int errors) {
  ::setsid();
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(not_started);
  if (input < 0) input = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (input < 0 || ::dup2(input, 0) < 0 || ::dup2(output, 1) < 0 || ::dup2(errors, 2) < 0) {
    ::_exit(not_started);
  }
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  stay_on(options.cores);
  if (options.traced) {
    if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) ::_exit(untraceable);
    ::raise(SIGSTOP);
  }
  sigset_t none;
  sigemptyset(&none);
  ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace

Child::Child(Options options, os::SignalQueue* interrupts) : interrupts_(interrupts) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) give_up("pipe");
  output_.reset(ends[0]);
  const os::UniqueFd written(ends[1]);
  ::fcntl(output_.get(), F_SETFL, O_NONBLOCK);
  os::UniqueFd read;
  if (options.input) {  // a socket: a write to one that has ended is no signal
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
      give_up("socketpair");
    }
    input_.reset(ends[0]);
    read.reset(ends[1]);
  }
  // A file: what a server logs must not stop it when it is not read.
  errors_.reset(::memfd_create("errors", MFD_CLOEXEC));
  if (!errors_) give_up("memfd_create");
  auto started = os::fork_plain([&, parent = ::getpid()](const sigset_t&) {
    std::vector<char*> words;
    std::string name = options.program == Child::Options().program ? "polyio" : options.program;
    words.push_back(name.data());
    for (std::string& argument : options.arguments) words.push_back(argument.data());
    words.push_back(nullptr);
    prepare(options, parent, read ? read.get() : -1, written.get(), errors_.get());
    ::execv(options.program.c_str(), words.data());
    return not_started;
  });
  if (!started) throw std::system_error(started.error(), "can't start a process");
  process_ = std::move(*started);
}

Child::~Child() {
  kill();
  if (!ended_) process_.wait();
}

void Child::kill() noexcept {
  if (ended_) return;
  ::kill(-process_.pid(), SIGKILL);  // its session: those it has started, too
  process_.signal(SIGKILL);          // it may not have come to setsid() yet
}

void Child::wait_for(int fd, Nanoseconds patience) {
  const Deadline end = monotonic_now() + patience;
  std::array<pollfd, 2> waited{
      {{fd, POLLIN, 0}, {interrupts_ ? interrupts_->fd() : -1, POLLIN, 0}}};
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - monotonic_now());
    if (left.count() <= 0) throw std::runtime_error("it takes too long");
    if (::poll(waited.data(), waited.size(), static_cast<int>(left.count())) < 0) continue;
    if (waited[1].revents != 0) {
      if (const int signal = interrupts_->next()) throw Interrupted{signal};
    }
    if (waited[0].revents != 0) return;
  }
}

// Reads what is there; false: the end.
bool Child::fill() {
  std::array<std::byte, 4096> room;
  const auto got = os::read(output_.get(), room);
  if (!got) return got.error() == std::errc::resource_unavailable_try_again;
  unread_.append(reinterpret_cast<const char*>(room.data()), *got);
  if (unread_.size() > longest_line) throw std::runtime_error("it prints an endless line");
  return *got > 0;
}

std::optional<std::string> Child::take_line() {
  if (unread_.find('\n') == unread_.npos) (void)fill();
  const auto end = unread_.find('\n');
  if (end == unread_.npos) return std::nullopt;
  std::string line = unread_.substr(0, end);
  unread_.erase(0, end + 1);
  return line;
}

std::optional<std::string> Child::read_line(Nanoseconds patience) {
  for (;;) {
    const auto end = unread_.find('\n');
    if (end != unread_.npos) return take_line();
    wait_for(output_.get(), patience);
    if (!fill()) return std::nullopt;
  }
}

bool Child::say(const std::string& line) noexcept {
  const std::string text = line + '\n';
  const ssize_t sent = ::send(input_.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  return sent == static_cast<ssize_t>(text.size());
}

bool Child::has_ended() const noexcept {
  pollfd waited{process_.fd(), POLLIN, 0};
  return ended_ || ::poll(&waited, 1, 0) > 0;
}

os::ExitStatus Child::wait(Nanoseconds patience) {
  wait_for(process_.fd(), patience);
  ended_ = true;
  return process_.wait();
}

std::string Child::said() const {
  std::string text(64 * 1024, '\0');
  const ssize_t size = ::pread(errors_.get(), text.data(), text.size(), 0);
  text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  return text;
}

std::string Child::last_words() const {
  std::string text = said();
  while (text.ends_with('\n')) text.pop_back();
  return text.substr(text.find_last_of('\n') + 1);
}

}  // namespace polyio::lab
