#include "network.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <polyio/base/assert.hpp>

namespace polyio {
namespace {

os::Address address_of(const std::string& text) { return *os::Address::parse(text); }

}  // namespace

// --- sockets ---

std::uint32_t SimNetwork::new_socket(Kind kind) {
  if (free_.empty()) {
    free_.push_back(static_cast<std::uint32_t>(sockets_.size()));
    sockets_.emplace_back();
  }
  const std::uint32_t slot = free_.back();
  free_.pop_back();
  const std::uint32_t generation = sockets_[slot].generation + 1;
  sockets_[slot] = Socket{};
  sockets_[slot].kind = kind;
  sockets_[slot].generation = generation;
  ++open_;
  return slot;
}

SimNetwork::Socket& SimNetwork::socket_of(Handle handle) noexcept {
  POLYIO_ASSERT(handle.slot < sockets_.size());
  Socket& socket = sockets_[handle.slot];
  POLYIO_ASSERT(socket.kind != Kind::free && socket.kind != Kind::accepted);
  POLYIO_ASSERT(socket.generation == handle.generation);
  return socket;
}

std::vector<OpenHandle> SimNetwork::handles() const {
  std::vector<OpenHandle> all;
  for (std::uint32_t slot = 0; slot < sockets_.size(); ++slot) {
    const Handle handle{slot, sockets_[slot].generation};
    if (!is_open(handle)) continue;
    const bool listens = sockets_[slot].kind == Kind::listener;
    const auto kind = listens ? OpenHandle::Kind::listener : OpenHandle::Kind::socket;
    all.push_back({.handle = handle, .kind = kind, .simulated = true});
  }
  return all;
}

bool SimNetwork::is_open(Handle handle) const noexcept {
  if (handle.slot >= sockets_.size()) return false;
  const Socket& socket = sockets_[handle.slot];
  const bool open = socket.kind != Kind::free && socket.kind != Kind::accepted;
  return open && socket.generation == handle.generation;
}

SimNetwork::Socket* SimNetwork::listener_for(const os::Address& address, std::uint32_t& slot) {
  for (slot = 0; slot < sockets_.size(); ++slot) {
    Socket& socket = sockets_[slot];
    if (socket.kind != Kind::listener || socket.address.port() != address.port()) continue;
    const std::string host = socket.address.host();
    if (host == "0.0.0.0" || host == "::" || host == address.host()) return &socket;
  }
  return nullptr;
}

Result<Handle> SimNetwork::listen(os::Address address, int backlog) {
  if (address.family() != AF_INET && address.family() != AF_INET6) return fail(EAFNOSUPPORT);
  if (address.port() == 0) address.set_port(next_port_++);
  std::uint32_t slot = 0;
  if (listener_for(address, slot)) return fail(EADDRINUSE);
  slot = new_socket(Kind::listener);
  sockets_[slot].address = address;
  sockets_[slot].backlog = static_cast<std::size_t>(std::max(backlog, 1));
  world_.note(SimNote::listen, slot, server, address.port());
  return Handle{slot, sockets_[slot].generation};
}

Result<Handle> SimNetwork::open() {
  if (world_.draw(world_.options.open_fault)) {
    constexpr std::array errors{EMFILE, ENFILE, ENOBUFS};
    const int error = errors[world_.random.below(errors.size())];
    world_.note(SimNote::fault, 0, client, error);
    return fail(error);
  }
  const std::uint32_t slot = new_socket(Kind::opened);
  return Handle{slot, sockets_[slot].generation};
}

Result<Handle> SimNetwork::adopt(int socket) {
  const auto slot = static_cast<std::uint32_t>(socket - socket_base);
  if (socket < socket_base || slot >= sockets_.size()) return fail(EBADF);
  if (sockets_[slot].kind != Kind::accepted) return fail(EBADF);
  sockets_[slot].kind = Kind::stream;
  return Handle{slot, sockets_[slot].generation};
}

void SimNetwork::close(Handle handle) {
  Socket& socket = socket_of(handle);
  if (socket.kind == Kind::listener) close_listener(socket);
  if (socket.connection != none) close_end(socket.connection, socket.side);
  socket.kind = Kind::free;
  socket.connection = none;
  free_.push_back(handle.slot);
  --open_;
}

void SimNetwork::close_listener(Socket& socket) {
  for (const std::uint32_t id : socket.queue) {
    connections_[id].end[server].closed = true;
    schedule_reset(id, client);
  }
  socket.queue.clear();
}

// As Linux does: unread bytes turn the FIN into a reset.
void SimNetwork::close_end(std::uint32_t id, Side side) {
  Connection& connection = connections_[id];
  End& end = connection.end[side];
  Pipe& in = connection.end[other(side)].out;
  const Socket& socket = sockets_[end.slot];
  const bool half_made = socket.kind == Kind::connecting || socket.kind == Kind::opened;
  world_.note(SimNote::close, id, side, static_cast<std::int64_t>(in.arrived));
  end.closed = true;
  end.slot = none;
  if (half_made || (in.arrived > 0 && !end.broken)) {
    schedule_reset(id, other(side));
  } else if (!end.write_shut && !end.broken) {
    fin(id, side);
  }
  in.bytes.clear();
  in.head = in.arrived = 0;
}

Result<> SimNetwork::shutdown(Handle handle, int how) {
  Socket& socket = socket_of(handle);
  if (socket.kind != Kind::stream) return {};
  End& end = end_of(socket);
  world_.note(SimNote::shutdown, socket.connection, socket.side, how);
  if (how != SHUT_RD && !end.write_shut) {
    end.write_shut = true;
    if (!end.broken) fin(socket.connection, socket.side);
    changed(end, sim_out);
  }
  if (how != SHUT_WR) {
    end.read_shut = true;
    changed(end, sim_in);
  }
  return {};
}

Result<os::Address> SimNetwork::local_address(Handle handle) {
  const Socket& socket = socket_of(handle);
  if (socket.kind == Kind::listener) return socket.address;
  if (socket.connection == none) return address_of("0.0.0.0:0");
  return connections_[socket.connection].address[socket.side];
}

Result<os::Address> SimNetwork::peer_address(Handle handle) {
  const Socket& socket = socket_of(handle);
  if (socket.kind != Kind::stream) return fail(ENOTCONN);
  return connections_[socket.connection].address[other(socket.side)];
}

std::string SimNetwork::describe(std::uint32_t slot) {
  const Socket& socket = sockets_[slot];
  if (socket.kind == Kind::listener) return "listener " + socket.address.text();
  if (socket.connection == none) return "unconnected socket";
  const Connection& connection = connections_[socket.connection];
  return fmt::format("{} {} -> {} ({} bytes of it unread or under way)",
                     socket.kind == Kind::connecting ? "connecting" : "stream",
                     connection.address[socket.side].text(),
                     connection.address[other(socket.side)].text(), end_of(socket).out.held());
}

// --- making a connection ---

os::Address SimNetwork::new_client_address(std::size_t id, const os::Address& to) const {
  const auto port = first_client_port + id;
  if (to.family() == AF_INET6) return address_of(fmt::format("[::1]:{}", port));
  if (to.host().starts_with("127.")) return address_of(fmt::format("127.0.0.1:{}", port));
  return address_of(fmt::format("10.0.0.{}:{}", 2 + id % 250, port));
}

void SimNetwork::connect(Handle handle, const os::Address& address, bool at_once) {
  Socket& socket = socket_of(handle);
  POLYIO_ASSERT(socket.kind == Kind::opened && connections_.size() < 65'536 - first_client_port);
  const auto id = static_cast<std::uint32_t>(connections_.size());
  Connection& connection = connections_.emplace_back();
  connection.address[client] = new_client_address(id, address);
  connection.address[server] = address;
  for (End& end : connection.end) {
    const auto& options = world_.options;
    end.out.window =
        options.window_min + world_.random.below(options.window_max - options.window_min + 1);
  }
  connection.end[client].slot = handle.slot;
  socket.kind = Kind::connecting;
  socket.connection = id;
  world_.note(SimNote::connect, id, client, address.port());
  if (world_.draw(world_.options.unreachable)) {
    answer(id, ETIMEDOUT,
           world_.now + world_.span(std::chrono::seconds(1), std::chrono::minutes(2)));
  } else if (world_.draw(world_.options.refused)) {
    answer(id, ECONNREFUSED, world_.now + world_.delay());
  } else if (!at_once || !syn(id, false)) {
    world_.events.push({world_.now + world_.delay(), 0, SimEventKind::syn, 0, id, 0});
  } else {
    answered(id, socket.answer);
  }
}

// Answers; false: the listener's queue is full and the SYN was dropped.
bool SimNetwork::syn(std::uint32_t id, bool again_later) {
  Connection& connection = connections_[id];
  if (connection.end[client].closed) return true;
  std::uint32_t slot = 0;
  Socket* listener = listener_for(connection.address[server], slot);
  if (!listener) {
    sockets_[connection.end[client].slot].answer = ECONNREFUSED;
    if (again_later) answer(id, ECONNREFUSED, world_.now + world_.delay());
    return true;
  }
  if (listener->queue.size() >= listener->backlog) return false;
  listener->queue.push_back(id);
  changes_.push_back({slot, sim_in});
  if (again_later) answer(id, 0, world_.now + world_.delay());
  return true;
}

void SimNetwork::answer(std::uint32_t id, int error, TimePoint at) {
  // Nothing the server sends overtakes it.
  connections_[id].end[server].out.last_arrival = at;
  world_.events.push({at, 0, SimEventKind::answer, client, id, static_cast<std::uint64_t>(error)});
}

void SimNetwork::answered(std::uint32_t id, int error) {
  End& end = connections_[id].end[client];
  if (end.closed) return;
  Socket& socket = sockets_[end.slot];
  world_.note(SimNote::connected, id, client, error);
  socket.answer = error;
  socket.kind = error ? Kind::opened : Kind::stream;
  changed(end, sim_out);
}

std::int64_t SimNetwork::connected(Handle handle) {
  const Socket& socket = socket_of(handle);
  return socket.kind == Kind::connecting ? -EAGAIN : -socket.answer;
}

std::int64_t SimNetwork::accept(Handle handle) {
  Socket& listener = socket_of(handle);
  POLYIO_ASSERT(listener.kind == Kind::listener);
  if (world_.draw(world_.options.accept_fault)) {
    constexpr std::array errors{EMFILE, ENFILE, ENOBUFS, ENOMEM, ECONNABORTED};
    const bool queued = !listener.queue.empty();
    const int error = errors[world_.random.below(errors.size() - !queued)];
    world_.note(SimNote::fault, handle.slot, server, error);
    if (error == ECONNABORTED) {
      const std::uint32_t id = listener.queue.front();
      listener.queue.pop_front();
      connections_[id].faulted = true;
      connections_[id].end[server].closed = true;
      schedule_reset(id, client);
    }
    return -error;
  }
  if (listener.queue.empty()) return -EAGAIN;
  const std::uint32_t id = listener.queue.front();
  listener.queue.pop_front();
  const std::uint32_t slot = new_socket(Kind::accepted);
  sockets_[slot].connection = id;
  sockets_[slot].side = server;
  connections_[id].end[server].slot = slot;
  world_.note(SimNote::accept, id, server);
  return socket_base + static_cast<std::int64_t>(slot);
}

}  // namespace polyio
