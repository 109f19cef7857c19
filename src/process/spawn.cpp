#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <polyio/process/code_place.hpp>
#include <polyio/process/process.hpp>
#include <string_view>
#include <utility>

#include "children.hpp"
#include "descriptors.hpp"
#include "life.hpp"
#include "lifeline.hpp"

namespace polyio::process {
namespace detail {
namespace {

constexpr const char* marker = "--polyio-process";
// Set by begin(), read by start().
const char* program = nullptr;

// What goes to the child before the bytes: where the code lies (code_place.hpp).
struct Header {
  std::uint64_t magic = 0x706f6c79696f3031;
  std::uint64_t entry = 0, function = 0;  // 0: none
  std::uint64_t size = 0;
  std::uint32_t descriptors = 0;
  bool daemon = false;
};

// Sends all of it; a child that is gone is no error here, it has an exit code.
Result<> send_to(Child& child, int socket, std::span<const std::byte> bytes,
                 std::span<const int> descriptors) {
  const int pidfd = begin_watch(child);
  Result<> answer;
  while (pidfd >= 0 && !bytes.empty()) {
    const auto sent = send_some(socket, bytes, descriptors);
    if (sent) {
      bytes = bytes.subspan(*sent);
      descriptors = {};
      continue;
    }
    if (sent.error() == std::errc::broken_pipe || sent.error() == std::errc::connection_reset) {
      ::shutdown(socket, SHUT_RDWR);  // it is gone, or it goes now
      break;
    }
    if (sent.error() != std::errc::resource_unavailable_try_again) {
      answer = fail(sent.error());
      break;
    }
    pollfd either[]{{socket, POLLOUT, 0}, {pidfd, POLLIN, 0}};
    if (::poll(either, 2, -1) < 0 && errno != EINTR) {
      answer = fail(errno);
      break;
    }
    if (either[1].revents != 0) break;
  }
  end_watch(child);
  return answer;
}

// posix_spawn(3): no memory is copied, whatever the parent's size, and the error of exec is ours.
Result<pid_t> start_program(int socket) {
  std::array<char, 16> number{};
  std::to_chars(number.data(), number.data() + number.size() - 1, socket);
  std::string name(program), flag(marker);
  char* arguments[]{name.data(), flag.data(), number.data(), nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  if (const int error = ::posix_spawn_file_actions_init(&actions)) return fail(error);
  if (const int error = ::posix_spawnattr_init(&attributes)) {
    ::posix_spawn_file_actions_destroy(&actions);
    return fail(error);
  }
  sigset_t none;
  sigemptyset(&none);
  pid_t pid = 0;
  // The one descriptor that is not closed by exec: onto itself, which clears its flag.
  int error = ::posix_spawn_file_actions_adddup2(&actions, socket, socket);
  if (!error) error = ::posix_spawnattr_setsigmask(&attributes, &none);
  if (!error) error = ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  if (!error) {
    error = ::posix_spawn(&pid, "/proc/self/exe", &actions, &attributes, arguments, environ);
  }
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  if (error) return fail(error);
  return pid;
}

[[noreturn]] void give_up(const char* why) {
  std::fprintf(stderr, "polyio: this process can't begin: %s\n", why);
  ::_exit(70);  // EX_SOFTWARE of sysexits(3)
}

struct Received {
  Header header;
  std::vector<std::byte> bytes;
  std::vector<int> descriptors;
};

Received receive_all(int socket) {
  Received got;
  const auto fill = [&](void* data, std::size_t size) {
    auto* at = static_cast<std::byte*>(data);
    while (size > 0) {
      const auto some = receive_some(socket, {at, size}, got.descriptors);
      if (!some) give_up(some.error().message().c_str());
      if (*some == 0) ::_exit(70);  // the parent is gone, and with it the need for this
      at += *some;
      size -= *some;
    }
  };
  fill(&got.header, sizeof got.header);
  if (got.header.magic != Header().magic) give_up("it was not started by Process");
  if (got.header.descriptors != got.descriptors.size()) give_up("descriptors are missing: EMFILE?");
  got.bytes.resize(got.header.size);
  fill(got.bytes.data(), got.bytes.size());
  return got;
}

[[noreturn]] void run_child(int socket) {
  ::fcntl(socket, F_SETFD, FD_CLOEXEC);
  Received got = receive_all(socket);
  if (got.header.daemon) {  // the first descriptor is not the arguments'
    if (got.descriptors.empty() ||
        !hold_lifeline(os::UniqueFd(std::exchange(got.descriptors.front(), -1)))) {
      give_up("no lifeline");
    }
  }
  const auto entry = reinterpret_cast<Target::Entry>(const_cast<void*>(code_at(got.header.entry)));
  std::string name;
  std::unique_ptr<Target> target;
  try {
    serial::Reader reader(got.bytes, got.descriptors);
    reader(name);
    target = entry(code_at(got.header.function), reader);
    if (reader.left() > 0) give_up("an argument's serialize() reads less than it writes");
  } catch (const std::exception& error) {
    give_up(error.what());
  }
  become(std::move(name), got.header.daemon);
  got = {};
  ::close(socket);  // the handshake
  // NOLINTNEXTLINE(concurrency-mt-unsafe): the program ends as main() would end it
  std::exit(run_to_the_end([&] {
    const int code = target->run();
    target.reset();
    return code;
  }));
}

}  // namespace

Result<> spawn(Child& child, const Options& options, const Target& target) {
  if (!program) return fail(Errc::needs_begin);
  const auto entry = reinterpret_cast<const void*>(target.entry());
  if (!entry) return fail(target.refusal());
  const auto entry_place = place_of(entry), function_place = place_of(target.function());
  if (!entry_place || !function_place) return fail(Errc::target_not_sendable);

  std::vector<std::byte> bytes(sizeof(Header));
  std::vector<int> descriptors;
  os::UniqueFd lifeline;
  if (options.daemon) {
    auto made = lifeline_for_child();
    if (!made) return fail(made.error());
    lifeline = std::move(*made);
    descriptors.push_back(lifeline.get());
  }
  try {
    serial::Writer writer(bytes, &descriptors);
    writer(options.name);
    target.write(writer);
  } catch (const cereal::Exception&) {
    return fail(Errc::argument_not_sendable);
  }
  if (descriptors.size() > max_descriptors) return fail(EMSGSIZE);
  Header header;
  header.entry = *entry_place;
  header.function = *function_place;
  header.size = bytes.size() - sizeof header;
  header.descriptors = static_cast<std::uint32_t>(descriptors.size());
  header.daemon = options.daemon;
  std::memcpy(bytes.data(), &header, sizeof header);

  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return fail(errno);
  const os::UniqueFd ours(ends[0]);
  os::UniqueFd theirs(ends[1]);
  const auto pid = start_program(theirs.get());
  if (!pid) return fail(pid.error());
  theirs.reset();
  os::UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, *pid, 0)));
  if (!pidfd) {
    const int reason = errno;
    ::kill(*pid, SIGKILL);
    while (::waitpid(*pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    return fail(reason);
  }
  adopt(child, *pid, std::move(pidfd));
  if (auto sent = send_to(child, ours.get(), bytes, descriptors); !sent) {
    send_signal(child, SIGKILL);  // it would wait for the rest
    return sent;
  }
  return wait_until_up(child, ours.get());
}

}  // namespace detail

void begin(int argc, char** argv) {
  detail::program = argc > 0 ? argv[0] : "polyio";
  if (argc != 3 || std::string_view(argv[1]) != detail::marker) return;
  int socket = -1;
  const std::string_view number(argv[2]);
  std::from_chars(number.data(), number.data() + number.size(), socket);
  detail::run_child(socket);
}

}  // namespace polyio::process
