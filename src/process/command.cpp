#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <polyio/process/command.hpp>
#include <string_view>
#include <system_error>
#include <utility>

namespace polyio::process {

namespace {

static_assert(std::atomic<pid_t>::is_always_lock_free);

// Puts /dev/null in the place of a standard descriptor; without one, in a bare chroot, it is
// closed.
void replace(int standard, int null) noexcept {
  if (null < 0) {
    ::close(standard);
  } else {
    ::dup2(null, standard);
  }
}

// The guardian's own end of the lifeline, and no other descriptor: what others wait for the end of,
// such as a pipe that this program writes to, must not stay open for its sake.
void keep_only(int fd) noexcept {
  const int null = ::open("/dev/null", O_RDWR);
  for (int standard = 0; standard <= 2; ++standard) replace(standard, null);
  if (fd > 3) ::close_range(3, static_cast<unsigned>(fd) - 1, 0);
  ::close_range(static_cast<unsigned>(fd) + 1, ~0U, 0);
}

[[noreturn]] void run_shell(const std::string& line, int output) noexcept {
  replace(STDIN_FILENO, ::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (output != STDOUT_FILENO) ::dup2(output, STDOUT_FILENO);
  if (output != STDERR_FILENO) ::dup2(output, STDERR_FILENO);
  for (const int number : {SIGINT, SIGQUIT, SIGPIPE, SIGHUP, SIGTERM}) ::signal(number, SIG_DFL);
  ::raise(SIGSTOP);
  sigset_t none;
  sigemptyset(&none);
  ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
  ::execl("/bin/sh", "sh", "-c", line.c_str(), nullptr);
  const char text[] = "polyio: can't run /bin/sh\n";
  (void)!::write(STDERR_FILENO, text, sizeof text - 1);
  ::_exit(127);
}

// Reads a file of /proc whole; empty when the process is gone.
std::string_view read_file(const char* path, char* room, std::size_t size) noexcept {
  const os::UniqueFd file(::open(path, O_RDONLY | O_CLOEXEC));
  const ssize_t got = file ? ::read(file.get(), room, size) : -1;
  return {room, got > 0 ? static_cast<std::size_t>(got) : 0};
}

struct Stat {
  char state = 'X';
  pid_t group = 0;
  std::uint64_t children_ticks = 0;  // of those that ended
  std::uint64_t threads = 0;
  std::uint64_t started = 0;
};

Stat read_stat(const char* path) noexcept {
  char room[1024];
  const std::string_view text = read_file(path, room, sizeof room);
  const auto name_end = text.rfind(')');
  if (name_end == std::string_view::npos || name_end + 2 >= text.size()) return {};
  Stat stat{text[name_end + 2]};
  std::size_t at = name_end + 2;
  for (int field = 4; field <= 22; ++field) {
    at = text.find(' ', at);
    if (at == std::string_view::npos) return {};
    ++at;
    std::uint64_t value = 0;
    std::from_chars(text.data() + at, text.data() + text.size(), value);
    if (field == 5) stat.group = static_cast<pid_t>(value);
    if (field == 16 || field == 17) stat.children_ticks += value;  // cutime, cstime
    if (field == 20) stat.threads = value;
    if (field == 22) stat.started = value;
  }
  return stat;
}

// A bound for a fork bomb: what it does is plain by then.
constexpr int most_visited = 500;

// A family: a process and its descendants.
struct Family {
  Command::Usage usage;
  std::vector<os::ProcessId> groups;  // the first processes of groups other than its own
  int visited = 0;
};

void visit(pid_t pid, Family& family);

// `take(child)` for each child that the thread has; of very many the first ones.
void for_each_child(pid_t pid, pid_t thread, auto take) {
  char path[64], room[4096];
  std::snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, thread);
  const std::string_view text = read_file(path, room, sizeof room);
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at < end) {
    pid_t child = 0;
    const auto [stop, error] = std::from_chars(at, end, child);
    if (error != std::errc()) return;
    take(child);
    at = stop + 1;
  }
}

void visit_thread(pid_t pid, pid_t thread, Family& family) {
  for_each_child(pid, thread, [&](pid_t child) { visit(child, family); });
}

void visit(pid_t pid, Family& family) {
  if (++family.visited > most_visited) return;
  const bool first = family.visited == 1;
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/stat", pid);
  const Stat stat = read_stat(path);
  Command::Usage& usage = family.usage;
  clockid_t clock;
  timespec used{};
  if (::clock_getcpuclockid(pid, &clock) == 0 && ::clock_gettime(clock, &used) == 0) {
    usage.cpu += std::chrono::seconds(used.tv_sec) + Nanoseconds(used.tv_nsec);
  }
  static const long ticks = ::sysconf(_SC_CLK_TCK);
  usage.cpu += Nanoseconds(stat.children_ticks * (1'000'000'000U / static_cast<unsigned>(ticks)));
  // The first one ended is no wait: fd() says so in a moment.
  if (stat.state == 'R' || (first && stat.state == 'Z')) usage.runnable = true;
  if (!first && stat.group == pid) family.groups.push_back({stat.started, pid});
  visit_thread(pid, pid, family);
  if (stat.threads <= 1) return;
  std::snprintf(path, sizeof path, "/proc/%d/task", pid);
  DIR* const tasks = ::opendir(path);
  // NOLINTNEXTLINE(concurrency-mt-unsafe): this stream is ours alone
  while (const dirent* const entry = tasks ? ::readdir(tasks) : nullptr) {
    const pid_t thread = std::atoi(entry->d_name);
    if (thread <= 0 || thread == pid || ++family.visited > most_visited) continue;
    std::snprintf(path, sizeof path, "/proc/%d/task/%d/stat", pid, thread);
    if (read_stat(path).state == 'R') usage.runnable = true;
    visit_thread(pid, thread, family);
  }
  if (tasks) ::closedir(tasks);
}

// In the guardian: the family as it is now, while its first process is there to find it by.
void kill_family(pid_t first) {
  if (first <= 0) return;
  Family family;
  visit(first, family);
  ::kill(-first, SIGKILL);
  for (const os::ProcessId& group : family.groups) ::kill(-group.pid, SIGKILL);
}

Result<> set_affinity(pid_t pid, const std::vector<int>& cpus) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int cpu : cpus) {
    if (cpu >= 0 && cpu < CPU_SETSIZE) CPU_SET(cpu, &set);
  }
  if (::sched_setaffinity(pid, sizeof set, &set) != 0) return fail(errno);
  return {};
}

}  // namespace

Guardian::Guardian(std::size_t most) : size_(most), pages_(most * sizeof(std::atomic<pid_t>)) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    throw std::system_error(errno, std::generic_category(), "pipe");
  }
  const os::UniqueFd watched(ends[0]);
  lifeline_.reset(ends[1]);
  auto process = os::fork_plain([&](const sigset_t&) {
    ::setsid();  // what a terminal sends is not for it
    keep_only(watched.get());
    char byte;
    while (::read(watched.get(), &byte, 1) < 0 && errno == EINTR) {
    }
    for (std::size_t slot = 0; slot < size_; ++slot) kill_family(groups()[slot].load());
    return 0;
  });
  if (!process) throw std::system_error(process.error(), "fork");
  process_ = std::move(*process);
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
}

Guardian::~Guardian() {
  // The children of one that is killed are adopted in turn.
  while (end_orphans(true)) {
  }
  ::prctl(PR_SET_CHILD_SUBREAPER, 0);
  lifeline_.reset();
  (void)process_.wait();
}

bool Guardian::end_orphans(bool kill) noexcept {
  bool found = false;
  const auto* const first = groups();
  for_each_child(::getpid(), ::getpid(), [&](pid_t child) {
    const auto is_it = [child](const auto& group) { return group.load() == child; };
    if (child == process_.pid() || std::any_of(first, first + size_, is_it)) return;
    if (kill && ::kill(child, SIGKILL) != 0) return;
    if (::waitpid(child, nullptr, kill ? 0 : WNOHANG) == child) found = true;
  });
  return found;
}

std::atomic<pid_t>* Guardian::groups() const noexcept {
  return static_cast<std::atomic<pid_t>*>(pages_.data());
}

Result<Command> Command::start(Guardian& guardian, const std::string& line, int cpu, int output) {
  std::size_t slot = 0;
  auto* const groups = guardian.groups();
  while (slot < guardian.size_ && groups[slot].load() != 0) ++slot;
  if (slot == guardian.size_) return fail(ENOSPC);
  auto process = os::fork_plain([&](const sigset_t&) -> int {
    ::setpgid(0, 0);
    // Once this process has no lifeline any more, the guardian knows of it: no moment lies between.
    groups[slot].store(::getpid());
    ::close(guardian.lifeline_.get());
    run_shell(line, output);
  });
  if (!process) return fail(process.error());
  Command command;
  command.guardian_ = &guardian;
  command.slot_ = slot;
  command.process_ = std::move(*process);
  siginfo_t info{};
  while (::waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(command.fd()), &info,
                  WSTOPPED | WEXITED | WNOWAIT) != 0) {
    if (errno != EINTR) return fail(errno);
  }
  if (auto placed = set_affinity(command.pid(), {cpu}); !placed) return fail(placed.error());
  return command;
}

Command& Command::operator=(Command&& other) noexcept {
  if (this == &other) return *this;
  kill_and_reap();
  guardian_ = std::exchange(other.guardian_, nullptr);
  slot_ = other.slot_;
  process_ = std::move(other.process_);
  seen_ = other.seen_;
  groups_ = std::move(other.groups_);
  return *this;
}

void Command::signal(int number) {
  if (!guardian_) return;
  if (number != SIGCONT) (void)usage();  // for the groups that are new
  ::kill(-process_.pid(), number);
  for (const os::ProcessId& group : groups_) {
    if (os::is_alive(group)) ::kill(-group.pid, number);
  }
}
void Command::stop() { signal(SIGSTOP); }
void Command::go_on() { signal(SIGCONT); }

Command::Usage Command::usage() {
  Family family;
  if (guardian_) visit(process_.pid(), family);
  // A zombie's children have another parent by now: those seen before it ended are meant.
  if (!family.groups.empty()) groups_ = std::move(family.groups);
  // The time of a child that has ended is known less exactly than before: no clock goes back.
  seen_ = std::max(seen_, family.usage.cpu);
  return {seen_, family.usage.runnable};
}

os::ExitStatus Command::finish() {
  // Until it is reaped the number is the group's own.
  signal(SIGKILL);
  guardian_->groups()[slot_].store(0);
  Guardian& guardian = *std::exchange(guardian_, nullptr);
  os::ExitStatus status = process_.wait();
  (void)guardian.end_orphans(false);  // or they stay zombies
  status.cpu = std::max(status.cpu, seen_);
  return status;
}

void Command::kill_and_reap() noexcept {
  if (guardian_) (void)finish();
}

Result<OutputPipe> make_output_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail(errno);
  OutputPipe pipe{os::UniqueFd(ends[0]), os::UniqueFd(ends[1])};
  if (::fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0) return fail(errno);
  return pipe;
}

std::vector<int> allowed_cpus() {
  cpu_set_t set;
  std::vector<int> cpus;
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  }
  return cpus;
}

Result<> stay_on(const std::vector<int>& cpus) { return set_affinity(0, cpus); }

}  // namespace polyio::process
