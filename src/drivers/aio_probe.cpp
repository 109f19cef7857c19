#include <sys/socket.h>

#include <cerrno>
#include <polyio/os/unique_fd.hpp>
#include <system_error>

#include "posix_aio_driver.hpp"

namespace polyio {
namespace {

constexpr unsigned fewest_connections = 16;
constexpr int patience_ms = 2'000;
constexpr int leave_at_once = -1;  // an idle helper thread

std::string problem(const char* what, int error) {
  return std::string(what) + ": " + std::generic_category().message(error);
}

// Waits until the request is in the mailbox. The signal may be taken by any thread, this one too.
bool comes_back(aio::Mailbox& mailbox, aio::Request& request) {
  const sigset_t ours = aio::completion_signals();
  sigset_t before;
  ::pthread_sigmask(SIG_BLOCK, &ours, &before);
  const TimePoint end = monotonic_now() + std::chrono::milliseconds(patience_ms);
  constexpr timespec moment{.tv_sec = 0, .tv_nsec = 20'000'000};
  bool came = mailbox.take() != nullptr;
  while (!came && monotonic_now() < end) {
    siginfo_t info;
    if (::sigtimedwait(&ours, &info, &moment) > 0) aio::take_signal(info);
    if (mailbox.should_look()) request.collect();
    came = mailbox.take() != nullptr;
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return came;
}

std::string probe_read() {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
    return problem("socketpair", errno);
  }
  const os::UniqueFd ours(pair[0]), theirs(pair[1]);
  aio::Connections& connections = aio::Connections::instance();
  const auto permit = connections.take();
  if (!permit) return {};  // as many are in use already: it works
  aio::Request& request = connections.request(*permit);
  os::Wakeup wakeup;
  aio::Mailbox mailbox(wakeup);
  char byte = 0;
  if (const int error = request.read(mailbox, ours.get(), &byte, 1)) {
    connections.give_back(*permit);
    return problem("aio_read", -error);
  }
  std::string why;
  if (::send(theirs.get(), "x", 1, MSG_NOSIGNAL) != 1) why = problem("send", errno);
  ::shutdown(theirs.get(), SHUT_RDWR);  // ends it in any case
  if (!comes_back(mailbox, request)) {
    // The helper may still hold what lies on this stack.
    while (!request.over()) ::shutdown(ours.get(), SHUT_RDWR);
    request.collect();
    (void)mailbox.take();
    why = "no signal announced the end of an aio_read";
  }
  const std::int64_t result = request.result();
  if (why.empty() && result < 0) why = problem("aio_read", static_cast<int>(-result));
  if (why.empty() && (result != 1 || byte != 'x')) why = "aio_read: not what was sent";
  // Its helper has left by now, or holds the lock that this takes.
  (void)::aio_cancel(ours.get(), nullptr);
  connections.give_back(*permit);
  return why;
}

}  // namespace

std::string probe_posix_aio() {
  if (aio::Connections::instance().limit() < fewest_connections) {
    return "too few signals can be queued (ulimit -i)";
  }
  try {
    const aio::SignalTaken taken;
    if (!taken.problem().empty()) return taken.problem();
    if (!taken.first()) return {};  // in use already
    aio::keep_idle_helpers(leave_at_once);
    return probe_read();
  } catch (const std::system_error& error) {
    return error.what();
  }
}

}  // namespace polyio
