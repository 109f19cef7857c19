#include "message.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <polyio/proto/websocket.hpp>

#include "frames.hpp"

namespace polyio::chat {

using nlohmann::json;

Message::Message(std::uint64_t sender, std::string sender_name, std::string said, std::int64_t time)
    : id(sender), name(std::move(sender_name)), text(std::move(said)), time_ms(time) {
  line.reserve(name.size() + text.size() + 4);
  line.append("[").append(name).append("] ").append(text).append("\n");
}

namespace {
json object_of(const Message& message) {
  return {{"id", message.id},
          {"name", message.name},
          {"text", message.text},
          {"time", message.time_ms}};
}
std::string frame_of_json(const json& value) { return proto::encode_text(value.dump()); }
}  // namespace

const std::string& Message::frame() const {
  std::call_once(framed_, [this] {
    json event = object_of(*this);
    event["type"] = "message";
    frame_ = frame_of_json(event);
  });
  return frame_;
}

std::string hello_frame(std::uint64_t id, const std::string& name, std::size_t limit) {
  return frame_of_json({{"type", "hello"}, {"id", id}, {"name", name}, {"limit", limit}});
}

std::string presence_frame(const char* type, std::uint64_t id, const std::string& name) {
  json event{{"type", type}, {"id", id}};
  if (!name.empty()) event["name"] = name;
  return frame_of_json(event);
}

std::string error_frame(const std::string& text) {
  return frame_of_json({{"type", "error"}, {"text", text}});
}

std::string skipped_frame(std::uint64_t count) {
  return frame_of_json({{"type", "skipped"}, {"count", count}});
}

std::string history_frame(const std::deque<MessagePtr>& history) {
  json messages = json::array();
  for (const MessagePtr& message : history) messages.push_back(object_of(*message));
  return frame_of_json({{"type", "history"}, {"messages", std::move(messages)}});
}

std::string who_frame(const std::map<std::uint64_t, Name>& names, std::uint64_t you) {
  json people = json::array();
  auto self = names.find(you);
  for (auto person = names.begin(); person != names.end(); ++person) {
    if (people.size() == listed_names) break;
    people.push_back({{"id", person->first}, {"name", *person->second}});
    if (person == self) self = names.end();
  }
  if (self != names.end()) people.back() = {{"id", you}, {"name", *self->second}};
  return frame_of_json({{"type", "who"}, {"people", std::move(people)}, {"total", names.size()}});
}

Command parse_command(std::string_view text) {
  const json value = json::parse(text, nullptr, false);
  if (!value.is_object()) return {};
  const auto string_at = [&](const char* key) -> const std::string* {
    const auto place = value.find(key);
    return place != value.end() ? place->get_ptr<const std::string*>() : nullptr;
  };
  const std::string* const type = string_at("type");
  const std::string* const said = string_at("text");
  const std::string* const nick = string_at("nick");
  if (type && said && *type == "say") return {Command::Kind::say, *said};
  if (type && nick && *type == "nick") return {Command::Kind::nick, *nick};
  return {};
}

}  // namespace polyio::chat
