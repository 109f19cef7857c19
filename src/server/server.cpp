#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <polyio/drivers/registry.hpp>
#include <polyio/os/signals.hpp>
#include <polyio/os/socket.hpp>
#include <polyio/server/server.hpp>
#include <stdexcept>
#include <thread>

#include "worker.hpp"

namespace polyio {
namespace {

std::string join(const std::vector<std::string>& words) {
  return fmt::format("{}", fmt::join(words, ", "));
}

// The model to use and the architecture it runs under, or what is wrong with the wish.
void settle_dials(ServerOptions& options) {
  if (options.model == "auto") {
    const AutoChoice choice = choose_model();
    options.log(fmt::format("model: {} ({})", choice.model, choice.why));
    options.model = choice.model;
  }
  std::vector<std::string> names;
  for (const ModelInfo& info : list_models()) {
    names.push_back(info.model);
    if (info.model != options.model) continue;
    if (!info.available) {
      throw std::invalid_argument(fmt::format("model {} can't be used here: {}; try --model auto",
                                              info.model, info.reason));
    }
    if (options.architecture.empty()) options.architecture = info.architectures.front();
    if (std::ranges::find(info.architectures, options.architecture) == info.architectures.end()) {
      throw std::invalid_argument(fmt::format("architecture {} does not go with model {}; use {}",
                                              options.architecture, info.model,
                                              join(info.architectures)));
    }
    if (options.spin > Nanoseconds::zero() && options.model == "blocking") {
      throw std::invalid_argument("model blocking can't spin: it has no loop that waits");
    }
    return;
  }
  throw std::invalid_argument(
      fmt::format("unknown model {}; there are auto, {}", options.model, join(names)));
}

}  // namespace

class Server::Impl {
 public:
  Impl(ServerOptions options, Handler handler);
  void run(const Server& server);
  void stop() {
    for (auto& worker : workers_) worker->stop();
  }

  ServerShared shared_;
  os::Address address_;
  std::vector<std::unique_ptr<Worker>> workers_;

 private:
  void dispatch(Stream stream);
  void run_worker(Worker& worker) noexcept;
  std::exception_ptr error_;
  std::mutex error_mutex_;
};

Server::Impl::Impl(ServerOptions options, Handler handler) {
  if (!options.log) {
    options.log = [](std::string_view line) { fmt::print(stderr, "polyio: {}\n", line); };
  }
  settle_dials(options);
  const auto address = os::Address::parse(options.listen);
  if (!address) {
    throw std::invalid_argument(
        fmt::format("can't listen on '{}': give ADDRESS:PORT, such as 127.0.0.1:8080 or "
                    "[::1]:8080, or unix:PATH",
                    options.listen));
  }
  unsigned count = 1;
  if (options.architecture == "loops") {
    count = options.workers ? options.workers : std::max(1u, std::thread::hardware_concurrency());
  }
  if (count > 1024) throw std::invalid_argument("at most 1024 workers");
  shared_.options = std::move(options);
  shared_.handler = std::move(handler);
  for (unsigned i = 0; i < count; ++i) {
    auto driver = make_driver(shared_.options.model);
    if (!driver) throw std::system_error(driver.error(), shared_.options.model);
    workers_.push_back(std::make_unique<Worker>(shared_, std::move(*driver)));
  }
  auto listener = workers_[0]->io().listen(*address, shared_.options.backlog);
  if (!listener) {
    throw std::system_error(listener.error(), "can't listen on " + shared_.options.listen);
  }
  address_ = listener->local_address().value_or(*address);
  workers_[0]->set_listener(std::move(*listener));
  shared_.wake_acceptor = [this] { workers_[0]->room_freed(); };
}

void Server::Impl::dispatch(Stream stream) {
  Worker& first = *workers_[0];
  if (shared_.options.architecture == "thread-per-connection") {
    return first.serve_in_thread(std::move(stream));
  }
  const auto lightest = std::ranges::min_element(
      workers_, {}, [](const std::unique_ptr<Worker>& worker) { return worker->load(); });
  if (lightest->get() == &first) return first.serve_here(std::move(stream));
  auto socket = stream.release();
  if (socket) (*lightest)->take(std::move(*socket));
}

void Server::Impl::run_worker(Worker& worker) noexcept {
  try {
    const bool accepts = &worker == workers_[0].get();
    worker.run(accepts ? Worker::Dispatch([this](Stream s) { dispatch(std::move(s)); }) : nullptr);
  } catch (...) {
    {
      const std::lock_guard lock(error_mutex_);
      if (!error_) error_ = std::current_exception();
    }
    stop();
  }
}

void Server::Impl::run(const Server& server) {
  os::ignore_sigpipe();
  std::optional<os::SignalWatcher> signals;
  if (shared_.options.signals) signals.emplace({SIGINT, SIGTERM}, [this](int) { stop(); });
  std::vector<std::thread> threads;
  std::counting_semaphore<> begun(0);
  try {
    for (std::size_t i = 1; i < workers_.size(); ++i) {
      workers_[i]->io().post([&begun] { begun.release(); });
      threads.emplace_back([this, i, &begun] {
        os::name_thread(fmt::format("loop-{}", i).c_str());
        run_worker(*workers_[i]);
        begun.release();  // if it could not even begin
      });
    }
    // Before anything is accepted, or connections could take the descriptors a loop needs.
    for (std::size_t i = 1; i < workers_.size(); ++i) begun.acquire();
    if (shared_.options.on_ready) shared_.options.on_ready(server);
  } catch (...) {
    stop();
    for (std::thread& thread : threads) thread.join();
    throw;
  }
  run_worker(*workers_[0]);
  for (std::thread& thread : threads) thread.join();
  if (const auto cut = shared_.cut.load()) {
    shared_.options.log(fmt::format("{} connections were cut when the drain time was over", cut));
  }
  if (error_) std::rethrow_exception(error_);
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
  const ServerShared& s = impl_->shared_;
  return {s.accepted.load(), s.active.load(),        s.failed.load(),
          s.refused.load(),  s.accept_errors.load(), s.cut.load()};
}

std::vector<Io*> Server::homes() const {
  std::vector<Io*> homes;
  for (const auto& worker : impl_->workers_) homes.push_back(&worker->io());
  return homes;
}

std::string Server::ready_line() const {
  return fmt::format("listening on {} ({}, {})", address().text(), model(), architecture());
}

int serve(ServerOptions options, Handler handler) {
  try {
    if (!options.on_ready) {
      options.on_ready = [](const Server& server) {
        fmt::print("{}\n", server.ready_line());
        std::fflush(stdout);
      };
    }
    Server server(std::move(options), std::move(handler));
    server.run();
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "polyio: {}\n", error.what());
    return 1;
  }
}

}  // namespace polyio
