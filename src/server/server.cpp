#include <fmt/format.h>

#include <optional>
#include <polyio/os/file.hpp>
#include <polyio/os/line_log.hpp>
#include <polyio/os/signals.hpp>
#include <polyio/os/socket.hpp>
#include <polyio/server/server.hpp>
#include <stdexcept>

#include "host.hpp"
#include "serve_to_the_end.hpp"

namespace polyio {
namespace {

os::UniqueFd listen(const ServerOptions& options, const os::Address& address, bool reuse_port) {
  const os::ListenOptions how{.reuse_port = reuse_port, .unix_mode = options.unix_mode};
  auto socket = os::listen_stream(address, options.backlog, os::Blocking::no, how);
  if (!socket) throw std::system_error(socket.error(), "can't listen on " + options.listen);
  return std::move(*socket);
}

// One for each loop that accepts. `address` becomes the one that was given.
std::vector<os::UniqueFd> listen_for_all(const ServerOptions& options, const Dials& dials,
                                         os::Address& address) {
  const bool own = dials.accepting == Accepting::reuseport;
  std::vector<os::UniqueFd> listeners;
  listeners.push_back(listen(options, address, own));
  const auto bound = os::local_address(listeners[0].get());
  if (!bound) throw std::system_error(bound.error(), "can't tell where it listens");
  address = *bound;
  while (dials.accepting != Accepting::hand_over && listeners.size() < dials.workers) {
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

ServerOptions with_log(ServerOptions options) {
  if (!options.log) {
    const auto layout = [](std::string_view line) { return fmt::format("polyio: {}\n", line); };
    const auto log = std::make_shared<os::LineLog>(os::standard_error, layout);
    options.log = [log](std::string_view line) { log->write(line); };
  }
  return options;
}

std::unique_ptr<Host> make_host(ServerShared& shared, std::vector<os::UniqueFd> listeners) {
  switch (shared.dials.architecture) {
    case Architecture::prefork: return make_prefork(shared, std::move(listeners[0]));
    case Architecture::process_per_connection:
      return make_process_per_connection(shared, std::move(listeners[0]));
    default: return make_loops(shared, std::move(listeners), shared.processes()[0]);
  }
}

}  // namespace

class Server::Impl {
 public:
  // `options` has a log. Throws NoDriver.
  Impl(const ServerOptions& options, Handler handler)
      : shared_(options, settle_dials(options), std::move(handler)),
        architecture_(name_of(shared_.dials.architecture)),
        address_(parse_listen(options.listen)) {
    host_ = make_host(shared_, listen_for_all(options, shared_.dials, address_));
  }
  void run(const Server& server);
  void stop();

  ServerShared shared_;
  std::string architecture_;  // its name
  os::Address address_;
  std::unique_ptr<Host> host_;

 private:
  void take_signal(int number);
};

void Server::Impl::stop() {
  const bool again = shared_.counters().stops.fetch_add(1) > 0;
  host_->stop(again ? Ending::Step::cut : Ending::Step::drain);
}

void Server::Impl::take_signal(int number) {
  if (number != SIGHUP || shared_.terminal_is_gone()) return stop();
  shared_.log(fmt::format("SIGHUP: architecture {} has no processes that could be replaced",
                          architecture_));
}

void Server::Impl::run(const Server& server) {
  os::ignore_sigpipe();
  std::optional<os::SignalWatcher> signals;
  if (shared_.options.signals && !host_->handles_signals()) {
    signals.emplace({SIGINT, SIGTERM, SIGHUP}, [this](int number) { take_signal(number); });
  }
  host_->run([&] {
    if (shared_.options.on_ready) shared_.options.on_ready(server);
  });
  if (const auto cut = shared_.counters().cut.load()) {
    shared_.log(fmt::format("{} connections were cut when the drain time was over", cut));
  }
}

// `auto` falls back for all loops together where not each can have the best model.
Server::Server(ServerOptions options, Handler handler) {
  options = with_log(std::move(options));
  try {
    impl_ = std::make_unique<Impl>(options, handler);
  } catch (const NoDriver& error) {
    if (options.model != "auto") throw;
    const AutoChoice next = choose_model(choose_model().model, error.code().message());
    options.log(fmt::format("model: {} ({})", next.model, next.why));
    options.model = next.model;
    impl_ = std::make_unique<Impl>(std::move(options), std::move(handler));
  }
}
Server::~Server() {
  const os::Address address = impl_->address_;
  impl_.reset();
  (void)os::remove_stale_socket(address);  // a Unix socket's file
}

void Server::run() { impl_->run(*this); }
void Server::stop() { impl_->stop(); }
const os::Address& Server::address() const noexcept { return impl_->address_; }
const std::string& Server::model() const noexcept { return impl_->shared_.dials.model; }
const std::string& Server::architecture() const noexcept { return impl_->architecture_; }

ServerStatistics Server::statistics() const noexcept {
  const ServerShared& shared = impl_->shared_;
  const Counters& c = shared.counters();
  return {c.accepted,    shared.active(),  c.failed,  c.refused,         c.accept_errors,  c.cut,
          c.turned_away, shared.waiting(), c.workers, c.workers_crashed, c.lease_shortages};
}

std::vector<Io*> Server::homes() const { return impl_->host_->homes(); }

std::string Server::ready_line() const {
  return fmt::format("listening on {} ({}, {})", address().text(), model(), architecture());
}

int serve(ServerOptions options, Handler handler) {
  return serve_to_the_end<Server>(std::move(options), std::move(handler));
}

}  // namespace polyio
