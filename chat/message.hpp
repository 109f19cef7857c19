// Message: one line of the chat, encoded once per protocol and shared by all receivers. Immutable,
// but for the count of rooms, and thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "outbox.hpp"

namespace polyio::chat {

// A client's visible name: one string, shared by the rooms.
using Name = std::shared_ptr<const std::string>;

struct Message {
  Message(std::uint64_t sender, std::string sender_name, std::string said, std::int64_t time);

  std::uint64_t id;  // of the sender's connection
  std::string name;  // nickname or ('host', port)
  std::string text;
  std::int64_t time_ms;  // since 1970-01-01 UTC
  std::string line;      // "[name] text\n", what line clients get

  // The WebSocket frame, made when the first WebSocket client needs it.
  const std::string& frame() const;
  // The JSON object in it.
  std::string_view object() const;

  // What it costs its sender until every room has given it out.
  std::uint32_t cost() const noexcept { return static_cast<std::uint32_t>(text.size() + 1024); }
  // Rooms that have not given it out yet.
  mutable std::atomic<std::uint32_t> rooms{1};

 private:
  mutable std::once_flag framed_;
  mutable std::string frame_;
  mutable std::size_t object_size_ = 0;
};

using MessagePtr = std::shared_ptr<const Message>;

inline Piece line_of(const MessagePtr& message) { return {message, &message->line}; }
inline Piece frame_of(const MessagePtr& message) { return {message, &message->frame()}; }

// JSON events of the page's protocol (docs/chat-page.md), as WebSocket frames.
std::string hello_frame(std::uint64_t id, const std::string& name, std::size_t limit);
std::string presence_frame(const char* type, std::uint64_t id, const std::string& name);
// `about`: the request that is refused; none: something said.
std::string error_frame(const std::string& text, const char* about = nullptr);
std::string skipped_frame(std::uint64_t count);

}  // namespace polyio::chat
