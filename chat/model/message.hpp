// Message: one entry of a room's log, encoded once per protocol and shared by all receivers.
// Immutable, but for the count of homes, and thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <expected>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "outbox.hpp"

namespace polyio::chat {

// A visible name: one string, shared by all that show it.
using Name = std::shared_ptr<const std::string>;

class Message {
 public:
  // `where`: how a line client is shown the room, before the entry; the lobby's is empty.
  explicit Message(Entry entry, std::string_view where = {});

  const Entry entry;
  const std::string where;
  // What line clients get; empty: nothing, as of a removal.
  std::string line;

  // The WebSocket frame, made when the first page needs it; and the same deflated.
  const std::string& frame() const;
  const std::string& deflated_frame() const;
  // The JSON object of the entry in it.
  std::string_view object() const;

  // What it costs its sender until every home has given it out.
  std::uint32_t cost() const noexcept { return cost_of(entry.text); }
  static std::uint32_t cost_of(std::string_view text) noexcept {
    return static_cast<std::uint32_t>(text.size() + 1024);
  }
  // Homes that have not given it out yet.
  mutable std::atomic<std::uint32_t> homes{1};

 private:
  mutable std::once_flag framed_, deflated_;
  mutable std::string frame_, deflated_frame_;
  mutable std::size_t object_at_ = 0, object_size_ = 0;
};

using MessagePtr = std::shared_ptr<const Message>;

// If `change` is an edit or removal of one of `history`, whose first has the number `first`, puts a
// changed one in its place.
void keep_change(std::deque<MessagePtr>& history, Sequence first, const Message& change);

// Whether a room may have it. The error is a sentence for the client.
std::expected<void, std::string> check_topic(std::string_view topic);

inline Piece line_of(const MessagePtr& message) { return {message, &message->line}; }
inline Piece frame_of(const MessagePtr& message) { return {message, &message->frame()}; }
inline Piece deflated_frame_of(const MessagePtr& message) {
  return {message, &message->deflated_frame()};
}

}  // namespace polyio::chat
