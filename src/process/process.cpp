#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <polyio/linux/process.hpp>
#include <polyio/process/process.hpp>
#include <system_error>
#include <typeinfo>
#include <utility>

#include "children.hpp"
#include "life.hpp"
#include "lifeline.hpp"

namespace polyio::process {

namespace detail {

Result<> wait_until_up(Child& child, int handshake) {
  const int pidfd = begin_watch(child);
  Result<> answer;
  while (pidfd >= 0) {
    pollfd either[]{{handshake, POLLIN, 0}, {pidfd, POLLIN, 0}};
    if (::poll(either, 2, -1) > 0) break;
    if (errno != EINTR) {
      answer = fail(errno);
      break;
    }
  }
  end_watch(child);
  if (!answer) send_signal(child, SIGKILL);  // start() has failed: it must not run
  return answer;
}

OwnedChild make_child(const Options& options) {
  OwnedChild child(new Child);
  child->daemon = options.daemon;
  child->name = std::make_shared<const std::string>(options.name);
  return child;
}

void adopt(Child& child, pid_t pid, os::UniqueFd pidfd) noexcept {
  child.pid = pid;
  child.pidfd = pidfd.release();
  child.parent = ::getpid();
  add_child(child);
}

}  // namespace detail

using detail::Child;

Process::Process(Options options) : options_(std::move(options)) {
  if (options_.name.empty()) options_.name = detail::next_name();
}
Process::~Process() = default;
Process::Process(Process&&) noexcept = default;
Process& Process::operator=(Process&&) noexcept = default;

int Process::run() { return target_->run(); }

Result<> Process::start() {
  if (child_) return fail(Errc::already_started);
  if (detail::is_daemon()) return fail(Errc::daemon_has_children);
  if (typeid(*this) == typeid(Process) && !target_) return fail(Errc::no_target);
  try {
    detail::prepare_children();
    detail::sweep_children();
    return options_.method == Method::fork ? fork() : spawn();
  } catch (const std::bad_alloc&) {
    return fail(ENOMEM);
  } catch (const std::system_error& error) {
    return fail(error.code());
  }
}

Result<> Process::fork() {
  if (os::count_threads() > 1) return fail(Errc::threads_running);
  auto child = detail::make_child(options_);
  os::UniqueFd lifeline;
  if (options_.daemon) {
    auto made = detail::lifeline_for_child();
    if (!made) return fail(made.error());
    lifeline = std::move(*made);
  }
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail(errno);
  const os::UniqueFd up(ends[0]);
  os::UniqueFd tell(ends[1]);
  detail::flush_all();
  auto forked = os::fork_plain([&](const sigset_t& before) {
    return detail::run_to_the_end([&] {
      ::close(up.get());
      detail::become(options_.name, options_.daemon);
      if (lifeline && !detail::hold_lifeline(std::move(lifeline))) {
        throw std::system_error(errno, std::generic_category(), "lifeline");
      }
      sigset_t mask = before;
      sigdelset(&mask, SIGTERM);  // or terminate() would wait for the child's pleasure
      ::pthread_sigmask(SIG_SETMASK, &mask, nullptr);
      tell.reset();
      return run();
    });
  });
  if (!forked) return fail(forked.error());
  tell.reset();
  detail::adopt(*child, forked->pid(), forked->release());
  if (auto is_up = detail::wait_until_up(*child, up.get()); !is_up) return is_up;
  child_ = std::move(child);
  target_.reset();
  return {};
}

Result<> Process::spawn() {
  if (typeid(*this) != typeid(Process)) return fail(Errc::target_not_sendable);
  auto child = detail::make_child(options_);
  if (auto spawned = detail::spawn(*child, options_, *target_); !spawned) return spawned;
  child_ = std::move(child);
  target_.reset();
  return {};
}

Result<Child*> Process::child() const {
  if (!child_) return fail(Errc::not_started);
  if (child_->parent != ::getpid()) return fail(Errc::not_our_child);
  return child_.get();
}

Result<> Process::join(Deadline deadline) {
  auto mine = child();
  if (!mine) return fail(mine.error());
  return detail::wait_for(**mine, deadline);
}

Result<> Process::send_signal(int number) {
  auto mine = child();
  if (!mine) return fail(mine.error());
  detail::send_signal(**mine, number);
  return {};
}

Result<> Process::terminate() { return send_signal(SIGTERM); }
Result<> Process::kill() { return send_signal(SIGKILL); }

bool Process::is_alive() {
  auto mine = child();
  return mine && !detail::has_ended(**mine);
}

std::optional<pid_t> Process::pid() const noexcept {
  if (!child_) return std::nullopt;
  return child_->pid;
}

std::optional<int> Process::exitcode() {
  auto mine = child();
  if (!mine || !detail::has_ended(**mine)) return std::nullopt;
  return (*mine)->code;
}

State Process::state() {
  if (!child_) return State::created;
  if (!is_alive()) return State::terminated;
  const auto now = state_of(child_->pid);
  if (now) return now->state;
  return is_alive() ? State::running : State::terminated;  // without /proc
}

Result<> Process::set_name(std::string name) {
  if (child_) return fail(Errc::too_late);
  options_.name = std::move(name);
  return {};
}

Result<> Process::set_daemon(bool daemon) {
  if (child_) return fail(Errc::too_late);
  options_.daemon = daemon;
  return {};
}

Process::Watch::Watch(Child& child) noexcept : child_(child) { (void)detail::begin_watch(child_); }
Process::Watch::~Watch() { detail::end_watch(child_); }
int Process::Watch::fd() const noexcept { return detail::has_ended(child_) ? -1 : child_.pidfd; }

Result<std::unique_ptr<Process::Watch>> Process::watch() {
  auto mine = child();
  if (!mine) return fail(mine.error());
  return std::make_unique<Watch>(**mine);
}

std::vector<Active> active_children() { return detail::list_children(); }

}  // namespace polyio::process
