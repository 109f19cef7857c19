#include <cerrno>
#include <polyio/client/connect.hpp>
#include <polyio/io/task_group.hpp>

namespace polyio {
namespace {

// The order to try addresses in: the first one's family and the other in turn (RFC 8305, section
// 4), each in the order given.
std::vector<os::Address> families_in_turn(const std::vector<os::Address>& addresses) {
  std::vector<os::Address> turns[2];
  for (const os::Address& address : addresses) {
    turns[address.family() != addresses.front().family()].push_back(address);
  }
  std::vector<os::Address> sorted;
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    for (const auto& family : turns) {
      if (i < family.size()) sorted.push_back(family[i]);
    }
  }
  return sorted;
}

// The attempts of one connect. It lives in the frame of the task that waits for them.
class Race {
 public:
  Race(Io& io, const std::vector<os::Address>& addresses, const ConnectOptions& options)
      : io_(io), main_(io.current()), addresses_(families_in_turn(addresses)), options_(options) {}

  Task<> run(TaskGroup& group) {
    while (!winner_ && !group.cancelled() && (next_ < addresses_.size() || running_ > 0)) {
      if (next_ < addresses_.size()) co_await start(group);
      co_await pause();
    }
    group.cancel();
  }
  bool won() const noexcept { return static_cast<bool>(winner_); }
  Result<Stream> take() {
    if (winner_) return std::move(winner_);
    return fail(error_);
  }

 private:
  Task<> start(TaskGroup& group) {
    const os::Address address = addresses_[next_++];
    ++running_;
    auto spawned = group.spawn(&Race::attempt, this, address);
    if (!spawned) co_await attempt(address);
  }
  // Until an attempt has ended, or it is time for the next.
  Task<> pause() {
    const bool last = next_ == addresses_.size();
    CancelScope delay(io_,
                      last ? never : deadline_after(io_.driver().now(), options_.attempt_delay));
    auto parked = co_await io_.park();
    (void)parked;
  }
  Task<> attempt(os::Address address) {
    CancelScope patience(io_, options_.attempt_timeout);
    auto stream = co_await io_.connect(address);
    --running_;
    if (!stream) {
      error_ = stream.error();
    } else if (!winner_) {
      winner_ = std::move(*stream);
    }
    io_.unpark(main_);
  }

  Io& io_;
  Job& main_;
  const std::vector<os::Address> addresses_;
  const ConnectOptions& options_;
  std::size_t next_ = 0;
  unsigned running_ = 0;
  Stream winner_;
  std::error_code error_ = errno_code(EADDRNOTAVAIL);  // there was no address
};

}  // namespace

Task<Result<Stream>> connect(Io& io, std::vector<os::Address> addresses, Deadline until,
                             ConnectOptions options) {
  CancelScope limit(io, until);
  Race race(io, addresses, options);
  auto body = [&](TaskGroup& group) { return race.run(group); };
  co_await with_task_group(io, body);
  if (!race.won()) {
    if (auto live = limit.check(); !live) co_return fail(live.error());
  }
  co_return race.take();
}

Task<Result<Stream>> connect(Io& io, os::HostPort target, Deadline until, ConnectOptions options) {
  CancelScope limit(io, until);
  Resolver& resolver = options.resolver ? *options.resolver : Resolver::shared();
  auto addresses = co_await resolver.resolve(io, std::move(target.host), target.port);
  if (!addresses) co_return fail(addresses.error());
  co_return co_await connect(io, std::move(*addresses), until, options);
}

Task<Result<Stream>> connect(Io& io, std::string target, Deadline until, ConnectOptions options) {
  auto parsed = os::parse_host_port(target);
  if (!parsed) co_return fail(parsed.error());
  co_return co_await connect(io, std::move(*parsed), until, options);
}

}  // namespace polyio
