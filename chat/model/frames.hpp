// The events of the page's protocol (docs/chat-page.md) as WebSocket frames, and the page's own
// requests.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "message.hpp"

namespace polyio::chat {

// Bytes of the history that are sent in one go: more only when they are taken.
inline constexpr std::size_t history_chunk = 32 * 1024;

// `text` as JSON writes it.
std::string json_text(std::string_view text);

// The object of an entry, with its room where `with_room`.
std::string entry_object(const Entry& entry, bool with_room = false);
// `objects`: one or more of them, with commas.
std::string entries_event(RoomId room, std::string_view objects);
// `start`: nothing is older.
std::string history_event(RoomId room, std::string_view objects, bool start);
std::string objects_of(std::span<const Entry> entries, bool with_room = false);

// What a client hears when it comes.
struct Greeting {
  PersonId id = 0;
  const std::string& name;
  std::size_t limit = 0;
  bool account = false, admin = false, may_register = true, guests = true;
};
std::string hello_frame(const Greeting& greeting);

// A room as one of its people sees it.
struct RoomView {
  RoomId id = 0;
  std::string name, topic;
  Sequence last = 0, read = 0;
  Role role = Role::member;
  bool is_private = false, read_only = false, muted = false;
  PersonId direct = 0;
};
std::string room_frame(const RoomView& room);
std::string parted_frame(RoomId room, std::string_view why);
struct RoomListing {
  RoomId id = 0;
  std::string name, topic;
  std::size_t people = 0;
};
std::string rooms_frame(std::span<const RoomListing> rooms);
std::string invited_frame(std::string_view room, std::string_view by);
std::string notice_frame(std::string_view text);
std::string gap_frame(const Gap& gap);
std::string stored_frame(std::string_view key, RoomId room, Sequence sequence);
std::string renamed_frame(std::string_view name);
// `about`: the type of the request that is refused; `key`: its key, or none.
std::string error_frame(std::string_view text, std::string_view about = {},
                        std::string_view key = {});

// News of people: `type` is join, leave or rename; a leave has no name.
std::string presence_frame(const char* type, RoomId room, PersonId id, std::string_view name);
std::string who_frame(RoomId room, const std::map<PersonId, Name>& people, std::size_t total,
                      const std::map<PersonId, Role>& roles = {});
std::string total_frame(RoomId room, std::size_t total);

// A page's request, as it came; what is not there, or of another kind, is empty.
struct PageRequest {
  std::string type, key, name;
  std::string password, old_password, new_password;  // of the API
  bool everywhere = false;
  std::optional<std::string> text, nick;
  RoomId room = 0;
  Sequence before = 0, after = 0, target = 0, seq = 0;
  std::size_t count = 0;
  bool action = false, has_after = false;
  std::optional<bool> is_private, read_only;
  std::vector<std::pair<RoomId, Sequence>> rooms;  // resume: at most 1,000
};
// Nothing: it is no JSON object.
std::optional<PageRequest> parse_fields(std::string_view text);
// Nothing: it is none with a type.
std::optional<PageRequest> parse_request(std::string_view text);

}  // namespace polyio::chat
