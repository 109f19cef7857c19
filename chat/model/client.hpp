// Client: one connection of the chat, as its session, its home and the rooms share it. The rule:
// each field says whose it is; only the Outbox is thread-safe.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "message.hpp"

namespace polyio::chat {

class Home;
struct Person;

// How a client's messages are written: to a page as WebSocket frames, which may be deflated.
enum class Wire : std::uint8_t { line, page, deflated_page };
inline constexpr std::size_t wires = 3;

// A client's place in a shard: the home's.
struct Seat {
  static constexpr std::uint32_t nowhere = UINT32_MAX;

  std::uint32_t place = nowhere;  // its index there, once it has all that was said before
  bool live = false;              // from add() to remove()
  bool behind() const noexcept { return live && place == nowhere; }
  Sequence next = 0;  // until it has a place, the number of the entry it gets next
};

struct Client {
  const Wire wire;
  std::string address;   // ('host', port)
  Home* home = nullptr;  // where its messages are given out
  Outbox outbox;

  // The directory's, under its lock.
  Person* person = nullptr;
  std::shared_ptr<Client> next_of_person;

  // Its session's: entries that it has said.
  std::uint64_t said = 0;

  // Its home's: of them, those that were given out there or refused; what waits for that; its
  // seats; the room whose people its page lists.
  struct Later {
    std::uint64_t after = 0;  // Client::given
    std::move_only_function<void()> work;
  };
  std::uint64_t given = 0;
  std::vector<Later> later;
  Seat lobby;
  struct OtherSeat : Seat {
    RoomId room = 0;
  };
  std::vector<std::unique_ptr<OtherSeat>> seats;
  RoomId shown = 0;

  // For Chat::leave_later.
  std::shared_ptr<Client> next_left;
  bool leaves_later = false;

  // Some room's old entries are still on their way to it.
  bool catching_up() const noexcept {
    return lobby.behind() ||
           std::ranges::any_of(seats, [](const auto& seat) { return seat->behind(); });
  }

  bool is_page() const noexcept { return wire != Wire::line; }

  explicit Client(Wire kind) : wire(kind) {}
};
using ClientPtr = std::shared_ptr<Client>;

// The frame of a page's event, deflated where that was agreed: for long ones.
std::string frame_for(const Client& page, std::string_view event);

}  // namespace polyio::chat
