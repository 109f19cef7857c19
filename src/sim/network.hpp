// SimNetwork: the sim driver's TCP, as the non-blocking calls of a kernel: a call answers at once,
// with -EAGAIN when it would wait, and says later, in changes(), whose turn may have come. It knows
// sockets and connections and nothing of operations. The rule: per direction bytes arrive in order,
// then the FIN; only a reset loses any.
#pragma once

#include <array>
#include <deque>
#include <polyio/io/driver.hpp>
#include <span>
#include <string>

#include "world.hpp"

namespace polyio {

enum SimDirection : std::uint8_t { sim_in, sim_out };  // receive and accept; send and connect

class SimNetwork {
 public:
  // What accept answers: a number that no descriptor has, so that mixing them up is noticed.
  static constexpr int socket_base = 1'000'000'000;
  struct Change {
    std::uint32_t slot;
    SimDirection direction;
  };

  explicit SimNetwork(SimWorld& world) : world_(world) {}

  Result<Handle> listen(os::Address address, int backlog);
  Result<Handle> open();
  Result<Handle> adopt(int socket);
  void close(Handle handle);
  Result<> shutdown(Handle handle, int how);
  Result<os::Address> local_address(Handle handle);
  Result<os::Address> peer_address(Handle handle);

  // Begins; `at_once`: it has also been answered, if it could be.
  void connect(Handle handle, const os::Address& address, bool at_once);
  // >= 0 as the system call, or a negated errno; -EAGAIN: not yet.
  std::int64_t connected(Handle handle);
  std::int64_t accept(Handle handle);
  std::int64_t receive(Handle handle, std::span<std::byte> room);
  std::int64_t send(Handle handle, std::span<const std::byte> bytes);
  // True when the call would not answer -EAGAIN.
  bool ready(Handle handle, OpKind kind);

  // An event of the network's own: syn, answer, arrive, fin, reset.
  void handle(const SimEvent& event);
  std::vector<Change>& changes() noexcept { return changes_; }
  std::size_t open_sockets() const noexcept { return open_; }
  std::vector<OpenHandle> handles() const;
  bool is_open(Handle handle) const noexcept;
  void inject_reset(std::uint32_t connection);
  void inject_reset(const os::Address& client_address);
  bool was_reset(const os::Address& client_address) const noexcept;
  // "stream 10.0.0.2:32768 -> 10.0.0.1:80", for reports.
  std::string describe(std::uint32_t slot);

 private:
  static constexpr std::uint32_t none = UINT32_MAX;
  static constexpr std::uint16_t first_client_port = 32'768;
  enum Side : std::uint8_t { client, server };
  enum class Kind : std::uint8_t { free, listener, opened, connecting, stream, accepted };

  struct Socket {
    Kind kind = Kind::free;
    Side side = client;
    std::uint32_t generation : 31 = 0;  // as in a Handle
    std::uint32_t connection = none;
    int answer = 0;       // of the last connect
    os::Address address;  // a listener's
    std::size_t backlog = 0;
    std::deque<std::uint32_t> queue;  // connections not accepted yet
  };
  // What one side sends.
  struct Pipe {
    std::vector<std::byte> bytes;  // from `head`: `arrived` to be read, then those under way
    std::size_t head = 0, arrived = 0, window = 0;
    TimePoint last_arrival{};
    std::size_t held() const noexcept { return bytes.size() - head; }
  };
  struct End {
    std::uint32_t slot = none;
    bool closed = false;  // no handle stands for it any more
    bool broken = false;  // a reset has arrived
    bool read_shut = false, write_shut = false;
    bool fin_arrived = false;
    int error = 0;  // reported once, as SO_ERROR is
    Pipe out;
  };
  struct Connection {
    os::Address address[2];
    End end[2];
    bool faulted = false;
  };

  static Side other(Side side) noexcept { return side == client ? server : client; }
  std::uint32_t new_socket(Kind kind);
  Socket& socket_of(Handle handle) noexcept;
  End& end_of(const Socket& socket) { return connections_[socket.connection].end[socket.side]; }
  Pipe& incoming(const Socket& socket) {
    return connections_[socket.connection].end[other(socket.side)].out;
  }
  void changed(const End& end, SimDirection direction);
  Socket* listener_for(const os::Address& address, std::uint32_t& slot);
  bool syn(std::uint32_t id, bool again_later);
  void answer(std::uint32_t id, int error, TimePoint at);
  void answered(std::uint32_t id, int error);
  void arrive(std::uint32_t id, Side to, std::size_t amount);
  void fin(std::uint32_t id, Side from);
  void schedule_reset(std::uint32_t id, Side to);
  void reset(std::uint32_t id, Side at);
  void close_end(std::uint32_t id, Side side);
  void close_listener(Socket& socket);
  void transmit(std::uint32_t id, Side from, std::span<const std::byte> bytes);
  os::Address new_client_address(std::size_t id, const os::Address& to) const;
  std::uint32_t number_of(const os::Address& client_address) const noexcept;

  SimWorld& world_;
  std::deque<Socket> sockets_;  // references stay valid
  std::vector<std::uint32_t> free_;
  std::deque<Connection> connections_;  // never forgotten: events and oracles name them by number
  std::vector<Change> changes_;
  std::size_t open_ = 0;
  std::uint16_t next_port_ = 8'001;
};

}  // namespace polyio
