// The part of SimNetwork that moves bytes over connections that are made.
#include <cerrno>
#include <cstring>
#include <polyio/base/assert.hpp>

#include "network.hpp"

namespace polyio {

void SimNetwork::changed(const End& end, SimDirection direction) {
  if (end.slot != none) changes_.push_back({end.slot, direction});
}

bool SimNetwork::ready(Handle handle, OpKind kind) {
  const Socket& socket = socket_of(handle);
  if (kind == OpKind::accept) return !socket.queue.empty();
  if (kind == OpKind::connect) return socket.kind != Kind::connecting;
  if (socket.kind != Kind::stream) return true;
  const End& end = end_of(socket);
  if (kind == OpKind::send) {
    return end.broken || end.write_shut || end.out.held() < end.out.window;
  }
  return incoming(socket).arrived > 0 || end.broken || end.fin_arrived || end.read_shut;
}

std::int64_t SimNetwork::receive(Handle handle, std::span<std::byte> room) {
  Socket& socket = socket_of(handle);
  if (socket.kind != Kind::stream) return -ENOTCONN;
  if (room.empty()) return 0;
  End& end = end_of(socket);
  Pipe& in = incoming(socket);
  if (in.arrived == 0) {
    if (end.fin_arrived || end.read_shut) return 0;
    if (!end.broken) return -EAGAIN;
    return -std::exchange(end.error, 0);  // reported once; then the end, as on Linux
  }
  std::size_t count = std::min(in.arrived, room.size());
  if (world_.draw(world_.options.short_count)) count = 1 + world_.random.below(count);
  std::memcpy(room.data(), in.bytes.data() + in.head, count);
  in.head += count;
  in.arrived -= count;
  if (in.held() == 0) {
    in.bytes.clear();
    in.head = 0;
  }
  world_.note(SimNote::receive, socket.connection, socket.side, static_cast<std::int64_t>(count));
  changed(connections_[socket.connection].end[other(socket.side)], sim_out);
  return static_cast<std::int64_t>(count);
}

std::int64_t SimNetwork::send(Handle handle, std::span<const std::byte> bytes) {
  Socket& socket = socket_of(handle);
  if (socket.kind != Kind::stream) return -ENOTCONN;
  End& end = end_of(socket);
  if (end.error) return -std::exchange(end.error, 0);
  if (end.broken || end.write_shut) return -EPIPE;
  if (bytes.empty()) return 0;
  std::size_t count = std::min(bytes.size(), end.out.window - end.out.held());
  if (count == 0) return -EAGAIN;
  if (world_.draw(world_.options.short_count)) count = 1 + world_.random.below(count);
  world_.note(SimNote::send, socket.connection, socket.side, static_cast<std::int64_t>(count));
  transmit(socket.connection, socket.side, bytes.first(count));
  if (world_.draw(world_.options.reset)) inject_reset(socket.connection);
  return static_cast<std::int64_t>(count);
}

void SimNetwork::transmit(std::uint32_t id, Side from, std::span<const std::byte> bytes) {
  Pipe& pipe = connections_[id].end[from].out;
  const End& to = connections_[id].end[other(from)];
  if (!to.closed) pipe.bytes.insert(pipe.bytes.end(), bytes.begin(), bytes.end());
  for (std::size_t left = bytes.size(); left > 0;) {
    const std::size_t largest = std::min<std::size_t>(left, world_.options.segment_max);
    const std::size_t segment =
        world_.random.chance(1, 2) ? largest : 1 + world_.random.below(largest);
    // Some merge with what is under way already.
    if (world_.random.chance(3, 4) || pipe.last_arrival < world_.now) {
      pipe.last_arrival = std::max(pipe.last_arrival, world_.now + world_.delay());
    }
    world_.events.push({pipe.last_arrival, 0, SimEventKind::arrive, other(from), id, segment});
    left -= segment;
  }
}

void SimNetwork::arrive(std::uint32_t id, Side to, std::size_t amount) {
  End& end = connections_[id].end[to];
  if (end.broken) return;
  if (end.closed) return schedule_reset(id, other(to));
  Pipe& in = connections_[id].end[other(to)].out;
  in.arrived += amount;
  POLYIO_ASSERT(in.arrived <= in.held());
  world_.note(SimNote::arrive, id, to, static_cast<std::int64_t>(amount));
  changed(end, sim_in);
}

void SimNetwork::fin(std::uint32_t id, Side from) {
  Pipe& pipe = connections_[id].end[from].out;
  pipe.last_arrival = std::max(pipe.last_arrival, world_.now + world_.delay());
  world_.events.push({pipe.last_arrival, 0, SimEventKind::fin, other(from), id, 0});
}

void SimNetwork::inject_reset(std::uint32_t id) {
  connections_[id].faulted = true;
  world_.note(SimNote::fault, id, client, ECONNRESET);
  schedule_reset(id, client);
  schedule_reset(id, server);
}

// It may overtake what is under way, but not the answer to the connect.
void SimNetwork::schedule_reset(std::uint32_t id, Side to) {
  TimePoint at = world_.now + world_.delay();
  const End& end = connections_[id].end[to];
  if (end.slot != none && sockets_[end.slot].kind == Kind::connecting) {
    at = std::max(at, connections_[id].end[other(to)].out.last_arrival);
  }
  world_.events.push({at, 0, SimEventKind::reset, to, id, 0});
}

void SimNetwork::reset(std::uint32_t id, Side at) {
  End& end = connections_[id].end[at];
  if (end.closed || end.broken) return;
  end.broken = true;
  end.error = ECONNRESET;
  Pipe& in = connections_[id].end[other(at)].out;
  if (world_.draw(world_.options.reset_discards)) {
    if (in.arrived > 0) end.fin_arrived = false;  // a loss never looks like the end
    in.arrived = 0;
  }
  in.bytes.resize(in.head + in.arrived);
  world_.note(SimNote::reset, id, at);
  changed(end, sim_in);
  changed(end, sim_out);
}

void SimNetwork::handle(const SimEvent& event) {
  const Side side = event.part == client ? client : server;
  switch (event.kind) {
    case SimEventKind::syn:
      if (syn(event.id, true)) break;
      if (event.amount == 6) {  // tcp_syn_retries
        answer(event.id, ETIMEDOUT, world_.now + std::chrono::seconds(64));
      } else {
        world_.events.push({world_.now + std::chrono::seconds(1 << event.amount), 0,
                            SimEventKind::syn, 0, event.id, event.amount + 1});
      }
      break;
    case SimEventKind::answer: answered(event.id, static_cast<int>(event.amount)); break;
    case SimEventKind::arrive: arrive(event.id, side, event.amount); break;
    case SimEventKind::fin: {
      End& end = connections_[event.id].end[side];
      if (end.closed || end.broken) break;
      end.fin_arrived = true;
      world_.note(SimNote::fin, event.id, side);
      changed(end, sim_in);
      break;
    }
    case SimEventKind::reset: reset(event.id, side); break;
    default: POLYIO_ASSERT(!"an event of the driver's");
  }
}

// --- for oracles ---

// The client's port is the connection's number.
std::uint32_t SimNetwork::number_of(const os::Address& client_address) const noexcept {
  const std::uint32_t id = client_address.port() - std::uint32_t{first_client_port};
  return id < connections_.size() ? id : none;
}

bool SimNetwork::was_reset(const os::Address& client_address) const noexcept {
  const std::uint32_t id = number_of(client_address);
  return id != none && connections_[id].faulted;
}

void SimNetwork::inject_reset(const os::Address& client_address) {
  const std::uint32_t id = number_of(client_address);
  if (id != none) inject_reset(id);
}

}  // namespace polyio
