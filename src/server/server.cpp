#include <fmt/format.h>

#include <optional>
#include <polyio/os/signals.hpp>
#include <polyio/os/socket.hpp>
#include <polyio/server/server.hpp>
#include <stdexcept>

#include "architecture.hpp"
#include "dials.hpp"
#include "serve_to_the_end.hpp"

namespace polyio {
namespace {

os::UniqueFd listen(const ServerOptions& options, const os::Address& address, bool reuse_port) {
  const os::ListenOptions how{.reuse_port = reuse_port, .unix_mode = options.unix_mode};
  auto socket = os::listen_stream(address, options.backlog, os::Blocking::no, how);
  if (!socket) throw std::system_error(socket.error(), "can't listen on " + options.listen);
  return std::move(*socket);
}

// One for each who accepts. `address` becomes the one that was given.
std::vector<os::UniqueFd> listen_for_all(const ServerOptions& options, os::Address& address) {
  const bool own = options.accepting == "reuseport";
  std::vector<os::UniqueFd> listeners;
  listeners.push_back(listen(options, address, own));
  const auto bound = os::local_address(listeners[0].get());
  if (!bound) throw std::system_error(bound.error(), "can't tell where it listens");
  address = *bound;
  while (options.accepting != "hand-over" && listeners.size() < options.workers) {
    if (own) {
      listeners.push_back(listen(options, address, own));
      continue;
    }
    auto copy = os::duplicate(listeners[0].get());
    if (!copy) throw std::system_error(copy.error(), "dup");
    listeners.push_back(std::move(*copy));
  }
  return listeners;
}

ServerOptions settled(ServerOptions options) {
  if (!options.log) {
    options.log = [](std::string_view line) { fmt::print(stderr, "polyio: {}\n", line); };
  }
  settle_dials(options);
  return options;
}

// Processes that end may overlap those that follow them.
std::size_t seats_for(const ServerOptions& options) {
  return options.architecture == "prefork" ? std::size_t{4} * options.workers : 1;
}

}  // namespace

class Server::Impl {
 public:
  Impl(ServerOptions chosen, Handler handler)
      : Impl(std::move(handler), settled(std::move(chosen))) {}
  void run(const Server& server);
  void stop();

  ServerShared shared_;
  os::Address address_;
  std::unique_ptr<Architecture> architecture_;

 private:
  Impl(Handler handler, ServerOptions options)
      : shared_(options, std::move(handler), seats_for(options)) {
    const auto address = os::Address::parse(options.listen);
    if (!address) {
      throw std::invalid_argument(fmt::format(
          "can't listen on '{}': give ADDRESS:PORT, such as 127.0.0.1:8080 or [::1]:8080, or "
          "unix:PATH",
          options.listen));
    }
    address_ = *address;
    architecture_ = make_architecture(shared_, listen_for_all(options, address_));
  }
  void take_signal(int number);
};

std::unique_ptr<Architecture> make_architecture(ServerShared& shared,
                                                std::vector<os::UniqueFd> listeners) {
  const std::string& name = shared.options.architecture;
  if (name == "iterative") return make_iterative(shared, std::move(listeners[0]));
  if (name == "prefork") return make_prefork(shared, std::move(listeners[0]));
  if (name == "process-per-connection") {
    return make_process_per_connection(shared, std::move(listeners[0]));
  }
  return make_loops(shared, std::move(listeners), shared.seats()[0]);
}

void Server::Impl::stop() {
  const bool again = shared_.counters().stops.fetch_add(1) > 0;
  architecture_->stop(again ? Architecture::Stop::cut : Architecture::Stop::drain);
}

void Server::Impl::take_signal(int number) {
  if (number != SIGHUP) return stop();
  shared_.log(fmt::format("SIGHUP: architecture {} has no processes that could be replaced",
                          shared_.options.architecture));
}

void Server::Impl::run(const Server& server) {
  os::ignore_sigpipe();
  std::optional<os::SignalWatcher> signals;
  if (shared_.options.signals && !architecture_->handles_signals()) {
    signals.emplace({SIGINT, SIGTERM, SIGHUP}, [this](int number) { take_signal(number); });
  }
  architecture_->run([&] {
    if (shared_.options.on_ready) shared_.options.on_ready(server);
  });
  if (const auto cut = shared_.counters().cut.load()) {
    shared_.log(fmt::format("{} connections were cut when the drain time was over", cut));
  }
}

Server::Server(ServerOptions options, Handler handler)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(handler))) {}
Server::~Server() {
  const os::Address address = impl_->address_;
  impl_.reset();
  (void)os::remove_stale_socket(address);  // a Unix socket's file
}

void Server::run() { impl_->run(*this); }
void Server::stop() { impl_->stop(); }
const os::Address& Server::address() const noexcept { return impl_->address_; }
const std::string& Server::model() const noexcept { return impl_->shared_.options.model; }
const std::string& Server::architecture() const noexcept {
  return impl_->shared_.options.architecture;
}

ServerStatistics Server::statistics() const noexcept {
  const ServerShared& shared = impl_->shared_;
  const Counters& c = shared.counters();
  return {c.accepted, shared.active(), c.failed,         c.refused, c.accept_errors,
          c.cut,      c.turned_away,   shared.waiting(), c.workers, c.workers_crashed};
}

std::vector<Io*> Server::homes() const { return impl_->architecture_->homes(); }

std::string Server::ready_line() const {
  return fmt::format("listening on {} ({}, {})", address().text(), model(), architecture());
}

int serve(ServerOptions options, Handler handler) {
  return serve_to_the_end<Server>(std::move(options), std::move(handler));
}

}  // namespace polyio
