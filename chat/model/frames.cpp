#include "frames.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <polyio/proto/websocket.hpp>

namespace polyio::chat {

using nlohmann::json;

namespace {

constexpr std::size_t most_resumed = 1'000;

std::string field(const char* name, std::string_view text) {
  return text.empty() ? std::string() : fmt::format(R"(,"{}":{})", name, json_text(text));
}
std::string flag(const char* name, bool set) {
  return set ? fmt::format(R"(,"{}":true)", name) : std::string();
}
const char* name_of(Role role) {
  return role == Role::founder ? "founder" : role == Role::operator_ ? "operator" : "member";
}
// The elements of a JSON array.
template <class Items, class Object>
std::string joined(const Items& items, Object object) {
  std::string all;
  for (bool begun = false; const auto& item : items) {
    if (std::exchange(begun, true)) all += ',';
    all += object(item);
  }
  return all;
}

}  // namespace

// Only strings become json values: the destructor of an object or array takes memory, and where
// there is none it ends the process.
std::string json_text(std::string_view text) { return json(text).dump(); }

std::string entry_object(const Entry& entry, bool with_room) {
  using Kind = Entry::Kind;
  std::string object = "{";
  if (with_room) object += fmt::format(R"("room":{},)", entry.room);
  object += fmt::format(R"("seq":{},"id":{},"time":{},"name":{})", entry.sequence, entry.author,
                        entry.time_ms, json_text(entry.name));
  if (entry.kind == Kind::edit || entry.kind == Kind::removal) {
    object += fmt::format(R"(,"target":{})", entry.target);
  }
  if (entry.removed || entry.kind == Kind::removal) {
    object += R"(,"removed":true)";
  } else {
    object += fmt::format(R"(,"{}":{})", entry.kind == Kind::topic ? "topic" : "text",
                          json_text(entry.text));
    object += flag("edited", entry.edited && entry.kind != Kind::edit);
  }
  return object + flag("action", entry.kind == Kind::action) + "}";
}

std::string entries_event(RoomId room, std::string_view objects) {
  return fmt::format(R"({{"type":"entries","room":{},"entries":[{}]}})", room, objects);
}

std::string history_event(RoomId room, std::string_view objects, bool start) {
  return fmt::format(R"({{"type":"history","room":{},"entries":[{}]{}}})", room, objects,
                     flag("start", start));
}

std::string objects_of(std::span<const Entry> entries, bool with_room) {
  return joined(entries, [=](const Entry& entry) { return entry_object(entry, with_room); });
}

std::string hello_frame(const Greeting& greeting) {
  return proto::encode_text(fmt::format(
      R"({{"type":"hello","id":{},"name":{},"limit":{}{}{}{}{}}})", greeting.id,
      json_text(greeting.name), greeting.limit, flag("account", greeting.account),
      flag("admin", greeting.admin), greeting.may_register ? "" : R"(,"register":false)",
      greeting.guests ? "" : R"(,"guests":false)"));
}

std::string room_frame(const RoomView& room) {
  return proto::encode_text(fmt::format(
      R"({{"type":"room","room":{},"name":{},"topic":{},"last":{},"read":{},"role":"{}"{}{}{}{}}})",
      room.id, json_text(room.name), json_text(room.topic), room.last, room.read,
      name_of(room.role), flag("private", room.is_private), flag("readonly", room.read_only),
      flag("muted", room.muted), room.direct ? fmt::format(R"(,"direct":{})", room.direct) : ""));
}

std::string parted_frame(RoomId room, std::string_view why) {
  return proto::encode_text(
      fmt::format(R"({{"type":"parted","room":{}{}}})", room, field("text", why)));
}

std::string rooms_frame(std::span<const RoomListing> rooms) {
  const auto object = [](const RoomListing& room) {
    return fmt::format(R"({{"name":{},"topic":{},"people":{},"room":{}}})", json_text(room.name),
                       json_text(room.topic), room.people, room.id);
  };
  return proto::encode_text(
      fmt::format(R"({{"type":"rooms","rooms":[{}]}})", joined(rooms, object)));
}

std::string invited_frame(std::string_view room, std::string_view by) {
  return proto::encode_text(
      fmt::format(R"({{"type":"invited","name":{},"by":{}}})", json_text(room), json_text(by)));
}

std::string notice_frame(std::string_view text) {
  return proto::encode_text(fmt::format(R"({{"type":"notice","text":{}}})", json_text(text)));
}

std::string gap_frame(const Gap& gap) {
  return proto::encode_text(
      fmt::format(R"({{"type":"gap","room":{},"from":{},"to":{}}})", gap.room, gap.from, gap.to));
}

std::string stored_frame(std::string_view key, RoomId room, Sequence sequence) {
  return proto::encode_text(fmt::format(R"({{"type":"stored","key":{},"room":{},"seq":{}}})",
                                        json_text(key), room, sequence));
}

std::string renamed_frame(std::string_view name) {
  return proto::encode_text(fmt::format(R"({{"type":"renamed","name":{}}})", json_text(name)));
}

std::string error_frame(std::string_view text, std::string_view about, std::string_view key) {
  return proto::encode_text(fmt::format(R"({{"type":"error","text":{}{}{}}})", json_text(text),
                                        field("about", about), field("key", key)));
}

std::string presence_frame(const char* type, RoomId room, PersonId id, std::string_view name) {
  return proto::encode_text(
      fmt::format(R"({{"type":"{}","room":{},"id":{}{}}})", type, room, id, field("name", name)));
}

std::string who_frame(RoomId room, const std::map<PersonId, Name>& people, std::size_t total,
                      const std::map<PersonId, Role>& roles) {
  const auto object = [&roles](const auto& person) {
    const auto role = roles.find(person.first);
    return fmt::format(R"({{"id":{},"name":{}{}}})", person.first, json_text(*person.second),
                       role == roles.end() ? "" : field("role", name_of(role->second)));
  };
  return proto::encode_text(fmt::format(R"({{"type":"who","room":{},"people":[{}],"total":{}}})",
                                        room, joined(people, object), total));
}

std::string total_frame(RoomId room, std::size_t total) {
  return proto::encode_text(fmt::format(R"({{"type":"total","room":{},"total":{}}})", room, total));
}

namespace {

// Takes a request's fields while it is parsed: no value is made of what is not used, however much
// is nested in it, and what is no object ends at its first character.
class RequestFields : public nlohmann::json_sax<json> {
 public:
  PageRequest request;

  bool null() override { return other(); }
  bool boolean(bool value) override {
    if (depth_ == 1 && key_ == "action") request.action = value;
    if (depth_ == 1 && key_ == "everywhere") request.everywhere = value;
    if (depth_ == 1 && key_ == "private") request.is_private = value;
    if (depth_ == 1 && key_ == "readonly") request.read_only = value;
    return other();
  }
  bool number_integer(number_integer_t) override { return other(); }
  bool number_unsigned(number_unsigned_t value) override {
    if (depth_ == 1) number(value);
    if (depth_ == 3 && in_rooms_) pair_.push_back(value);
    return other();
  }
  bool number_float(number_float_t, const string_t&) override { return other(); }
  bool binary(binary_t&) override { return other(); }
  bool string(string_t& found) override {
    if (depth_ == 1) take(std::move(found));
    return depth_ > 0;
  }
  bool start_object(std::size_t) override {
    (void)other();
    return ++depth_ > 0;
  }
  bool start_array(std::size_t) override {
    if (!other()) return false;
    if (depth_ == 1) in_rooms_ = key_ == "rooms";
    pair_.clear();
    return ++depth_ > 0;
  }
  bool end_object() override { return close(); }
  bool end_array() override {
    if (depth_ == 3 && in_rooms_ && pair_.size() == 2 && request.rooms.size() < most_resumed) {
      request.rooms.emplace_back(static_cast<RoomId>(pair_[0]), pair_[1]);
    }
    return close();
  }
  bool key(string_t& name) override {
    if (depth_ == 1) key_ = std::move(name);
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const json::exception&) override {
    return false;
  }

 private:
  void take(std::optional<std::string> value) {
    if (key_ == "text")
      request.text = std::move(value);
    else if (key_ == "nick")
      request.nick = std::move(value);
    else if (key_ == "type")
      request.type = std::move(value).value_or("");
    else if (key_ == "key")
      request.key = std::move(value).value_or("");
    else if (key_ == "name")
      request.name = std::move(value).value_or("");
    else if (key_ == "password")
      request.password = std::move(value).value_or("");
    else if (key_ == "old")
      request.old_password = std::move(value).value_or("");
    else if (key_ == "new")
      request.new_password = std::move(value).value_or("");
  }
  void number(std::uint64_t value) {
    constexpr std::uint64_t most = std::uint64_t{1} << 40;  // of a log's entries
    value = std::min(value, most);
    if (key_ == "room") request.room = static_cast<RoomId>(value);
    if (key_ == "before") request.before = value;
    if (key_ == "after") request.after = value, request.has_after = true;
    if (key_ == "target") request.target = value;
    if (key_ == "seq") request.seq = value;
    if (key_ == "count") request.count = value;
  }
  // A field that is no text, also where it takes the place of an earlier one.
  bool other() {
    if (depth_ == 1) take(std::nullopt);
    return depth_ > 0;
  }
  bool close() {
    if (--depth_ == 1) in_rooms_ = false;
    return true;
  }

  std::string key_;  // whose value comes next
  std::vector<std::uint64_t> pair_;
  std::size_t depth_ = 0;
  bool in_rooms_ = false;
};

}  // namespace

std::optional<PageRequest> parse_fields(std::string_view text) {
  RequestFields fields;
  if (!json::sax_parse(text, &fields)) return std::nullopt;
  return std::move(fields.request);
}

std::optional<PageRequest> parse_request(std::string_view text) {
  auto request = parse_fields(text);
  if (request && request->type.empty()) return std::nullopt;
  return request;
}

}  // namespace polyio::chat
