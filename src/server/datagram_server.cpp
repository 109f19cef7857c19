#include <fmt/format.h>

#include <mutex>
#include <optional>
#include <polyio/drivers/registry.hpp>
#include <polyio/os/signals.hpp>
#include <polyio/os/socket.hpp>
#include <polyio/server/datagram_server.hpp>
#include <stdexcept>
#include <system_error>

#include "dials.hpp"
#include "serve_to_the_end.hpp"

namespace polyio {
namespace {

std::unique_ptr<Driver> driver_of(std::string& model) {
  if (model == "auto") model = choose_model().model;
  (void)usable_model(model);
  auto driver = make_driver(model);
  if (!driver) throw std::system_error(driver.error(), model);
  return std::move(*driver);
}

}  // namespace

class DatagramServer::Impl {
 public:
  Impl(DatagramServerOptions wishes, DatagramHandler handle)
      : options(std::move(wishes)), handler(std::move(handle)), io(driver_of(options.model)) {
    auto bound = io.bind(parse_listen(options.listen));
    if (!bound) throw std::system_error(bound.error(), "can't listen on " + options.listen);
    const auto given = bound->local_address();
    if (!given) throw std::system_error(given.error(), "can't tell where it listens");
    address = *given;
    socket = std::move(*bound);
  }

  Task<> main() {
    CancelScope scope(io);
    {
      const std::lock_guard lock(mutex);
      if (std::exchange(state, State::running) == State::stopped) scope.cancel();
    }
    serving = &scope;
    co_await handler(io, std::move(socket));
    serving = nullptr;
  }

  void stop() {
    const std::lock_guard lock(mutex);
    if (state == State::running) {
      io.post([this] {
        if (serving) serving->cancel();
      });
    } else if (state == State::made) {
      state = State::stopped;
    }
  }

  enum class State : std::uint8_t { made, running, stopped, ended };
  DatagramServerOptions options;
  DatagramHandler handler;
  Io io;
  Datagram socket;
  os::Address address;
  CancelScope* serving = nullptr;
  std::mutex mutex;
  State state = State::made;
};

DatagramServer::DatagramServer(DatagramServerOptions options, DatagramHandler handler)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(handler))) {}
DatagramServer::~DatagramServer() {
  impl_->socket.close();
  (void)os::remove_stale_socket(impl_->address);
}

void DatagramServer::run() {
  std::optional<os::SignalWatcher> signals;
  if (impl_->options.signals) signals.emplace({SIGINT, SIGTERM}, [this](int) { stop(); });
  const auto end = [this] {
    const std::lock_guard lock(impl_->mutex);
    impl_->state = Impl::State::ended;
  };
  try {
    if (impl_->options.on_ready) impl_->options.on_ready(*this);
    impl_->io.run(impl_->main());
  } catch (...) {
    impl_->serving = nullptr;
    end();
    throw;
  }
  end();
}

void DatagramServer::stop() { impl_->stop(); }
const os::Address& DatagramServer::address() const noexcept { return impl_->address; }

std::string DatagramServer::ready_line() const {
  return fmt::format("listening on {} ({}, datagrams)", impl_->address.text(),
                     impl_->options.model);
}

int serve_datagrams(DatagramServerOptions options, DatagramHandler handler) {
  return serve_to_the_end<DatagramServer>(std::move(options), std::move(handler));
}

}  // namespace polyio
