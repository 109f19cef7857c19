#include <fmt/format.h>

#include <mutex>
#include <optional>
#include <polyio/os/file.hpp>
#include <polyio/os/inherited_socket.hpp>
#include <polyio/os/line_log.hpp>
#include <polyio/os/signals.hpp>
#include <polyio/os/socket.hpp>
#include <polyio/server/server.hpp>
#include <stdexcept>

#include "host.hpp"
#include "serve_to_the_end.hpp"

namespace polyio {
namespace {

constexpr std::string_view inherited = "fd:";

int find_inherited(std::string_view listen) {
  const auto fd = os::find_inherited_listener(listen.substr(inherited.size()));
  if (!fd) throw std::invalid_argument(fmt::format("can't listen on '{}': {}", listen, fd.error()));
  return *fd;
}

os::UniqueFd duplicate(int fd) {
  auto copy = os::duplicate(fd);
  if (!copy) throw std::system_error(copy.error(), "dup");
  return std::move(*copy);
}

// A copy: the original is closed once the server is made.
os::UniqueFd take_inherited(const Endpoint& endpoint, const Dials& dials) {
  const int number = find_inherited(endpoint.listen);
  if (dials.accepting == Accepting::reuseport) {
    throw std::invalid_argument(
        fmt::format("{} is one socket: use --accepting shared or hand-over", endpoint.listen));
  }
  os::UniqueFd socket = duplicate(number);
  if (auto set = os::set_nonblocking(socket.get(), true); !set) {
    throw std::system_error(set.error(), "can't listen on " + endpoint.listen);
  }
  return socket;
}

os::UniqueFd listen(const ServerShared& shared, const Endpoint& endpoint) {
  if (endpoint.listen.starts_with(inherited)) return take_inherited(endpoint, shared.dials);
  const os::ListenOptions how{.reuse_port = shared.dials.accepting == Accepting::reuseport,
                              .unix_mode = endpoint.unix_mode};
  auto socket = os::listen_stream(endpoint.address, shared.options.backlog, os::Blocking::no, how);
  if (!socket) throw std::system_error(socket.error(), "can't listen on " + endpoint.listen);
  return std::move(*socket);
}

// For each loop that accepts. The endpoints' addresses become those that were given.
std::vector<Listeners> listen_for_all(ServerShared& shared) {
  const Accepting how = shared.dials.accepting;
  std::vector<Listeners> listeners(how == Accepting::hand_over ? 1 : shared.dials.workers);
  for (Endpoint& endpoint : shared.endpoints) {
    if (!endpoint.listen.starts_with(inherited)) endpoint.address = parse_listen(endpoint.listen);
    os::UniqueFd first = listen(shared, endpoint);
    const auto bound = os::local_address(first.get());
    if (!bound) throw std::system_error(bound.error(), "can't tell where it listens");
    endpoint.address = *bound;
    for (std::size_t i = 1; i < listeners.size(); ++i) {
      listeners[i].push_back(how == Accepting::reuseport ? listen(shared, endpoint)
                                                         : duplicate(first.get()));
    }
    listeners[0].push_back(std::move(first));
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

std::unique_ptr<Host> make_host(ServerShared& shared, std::vector<Listeners> listeners) {
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
        model_(shared_.dials.model) {
    host_ = make_host(shared_, listen_for_all(shared_));
  }
  // Files of Unix sockets go, but those of inherited ones, which belong to another program.
  ~Impl() {
    host_.reset();
    for (const Endpoint& endpoint : shared_.endpoints) {
      if (!endpoint.listen.starts_with(inherited)) (void)os::remove_stale_socket(endpoint.address);
    }
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  void run(const Server& server);
  void stop();
  ModelChange set_model(std::string_view model);
  std::string model() {
    const std::lock_guard lock(model_mutex_);
    return model_;
  }

  ServerShared shared_;
  std::string architecture_;  // its name
  std::unique_ptr<Host> host_;

 private:
  void take_signal(int number);

  std::mutex changing_;  // one change at a time
  std::mutex model_mutex_;
  std::string model_;  // the present one
};

void Server::Impl::stop() {
  const bool again = shared_.counters().stops.fetch_add(1) > 0;
  if (!again && !host_->handles_signals()) shared_.stop_begins();  // else its supervisor says so
  host_->stop(again ? Ending::Step::cut : Ending::Step::drain);
}

ModelChange Server::Impl::set_model(std::string_view wanted) {
  const std::lock_guard one_change(changing_);
  ModelChange change{.before = model(), .now = {}};
  change.now = settle_change(shared_.options, shared_.dials, change.before, wanted);
  change.connections = shared_.active();
  if (change.now == change.before) return change;
  change.pause = host_->set_model(change.before, change.now);
  {
    const std::lock_guard lock(model_mutex_);
    model_ = change.now;
  }
  shared_.log(fmt::format("model: {}, after {}; {} connections, a pause of {:.1f} ms", change.now,
                          change.before, change.connections,
                          std::chrono::duration<double, std::milli>(change.pause).count()));
  return change;
}

void Server::Impl::take_signal(int number) {
  if (number != SIGHUP || shared_.terminal_is_gone()) return stop();
  if (shared_.options.on_reload) return shared_.options.on_reload();
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
    shared_.log({fmt::format("{} connections were cut when the drain time was over", cut),
                 LogLevel::warning});
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
  // What was inherited is the server's now, which closes it when it stops.
  for (const Endpoint& endpoint : impl_->shared_.endpoints) {
    if (!endpoint.listen.starts_with(inherited)) continue;
    os::UniqueFd(find_inherited(endpoint.listen)).reset();
  }
}

Server::~Server() = default;

void Server::check(const ServerOptions& options) {
  ServerOptions silent = options;
  silent.log = [](LogLine) {};
  (void)settle_dials(silent);
  if (!options.listen.starts_with(inherited)) (void)parse_listen(options.listen);
  for (const AlsoListen& also : options.also) {
    if (!also.listen.starts_with(inherited)) (void)parse_listen(also.listen);
  }
}

void Server::run() { impl_->run(*this); }
void Server::stop() { impl_->stop(); }
const os::Address& Server::address() const noexcept {
  return impl_->shared_.endpoints.front().address;
}
std::vector<os::Address> Server::addresses() const {
  std::vector<os::Address> all;
  for (const Endpoint& endpoint : impl_->shared_.endpoints) all.push_back(endpoint.address);
  return all;
}
std::string Server::model() const { return impl_->model(); }
ModelChange Server::set_model(std::string_view model) { return impl_->set_model(model); }
const std::string& Server::architecture() const noexcept { return impl_->architecture_; }
std::string_view Server::policy() const noexcept {
  return sched::name_of(impl_->shared_.dials.policy);
}

ServerStatistics Server::statistics() const noexcept {
  const ServerShared& shared = impl_->shared_;
  const Counters& c = shared.counters();
  return {c.accepted,    shared.active(),  c.failed,  c.refused,         c.accept_errors,  c.cut,
          c.turned_away, shared.waiting(), c.workers, c.workers_crashed, c.lease_shortages};
}

std::vector<Io*> Server::homes() const { return impl_->host_->homes(); }

std::string Server::ready_line() const {
  std::string all;
  for (const Endpoint& endpoint : impl_->shared_.endpoints) {
    all += (all.empty() ? "" : ", ") + endpoint.address.text();
  }
  const std::string policy =
      impl_->shared_.dials.policy == sched::Kind::fcfs ? "" : fmt::format(", {}", this->policy());
  return fmt::format("listening on {} ({}, {}{})", all, model(), architecture(), policy);
}

int serve(ServerOptions options, Handler handler) {
  return serve_to_the_end<Server>(std::move(options), std::move(handler));
}

}  // namespace polyio
