#include "message.hpp"

#include <fmt/format.h>

#include <polyio/proto/text.hpp>
#include <polyio/proto/websocket.hpp>

#include "client.hpp"
#include "frames.hpp"

namespace polyio::chat {
namespace {

std::string line_of_entry(const Entry& entry, std::string_view where) {
  using Kind = Entry::Kind;
  if (entry.removed || entry.kind == Kind::removal) return {};
  if (entry.kind == Kind::topic) {  // a plain client of the lobby sees messages only
    if (where.empty()) return {};
    return std::string("-- ").append(where).append(entry.name) + " sets the topic: " + entry.text +
           "\n";
  }
  const bool action = entry.kind == Kind::action;
  std::string line;
  line.reserve(where.size() + entry.name.size() + entry.text.size() + 16);
  line.append(where).append(action ? "* " : "[").append(entry.name).append(action ? " " : "] ");
  line.append(entry.text).append(entry.kind == Kind::edit || entry.edited ? " (edited)\n" : "\n");
  return line;
}

}  // namespace

Message::Message(Entry made, std::string_view room)
    : entry(std::move(made)), where(room), line(line_of_entry(entry, where)) {}

const std::string& Message::frame() const {
  std::call_once(framed_, [this] {
    const std::string object = entry_object(entry);
    frame_ = proto::encode_text(entries_event(entry.room, object));
    object_at_ = frame_.rfind(object);
    object_size_ = object.size();
  });
  return frame_;
}

const std::string& Message::deflated_frame() const {
  std::call_once(deflated_, [this] {
    deflated_frame_ = proto::encode_text_deflated(entries_event(entry.room, object()));
  });
  return deflated_frame_;
}

std::string_view Message::object() const {
  return std::string_view(frame()).substr(object_at_, object_size_);
}

std::string frame_for(const Client& page, std::string_view event) {
  return page.wire == Wire::deflated_page ? proto::encode_text_deflated(event)
                                          : proto::encode_text(event);
}

void keep_change(std::deque<MessagePtr>& history, Sequence first, const Message& change) {
  const Sequence target = change.entry.target;
  if (target < first || target - first >= history.size()) return;
  MessagePtr& place = history[target - first];
  Entry changed = place->entry;
  changed.edited = true;
  changed.text = change.entry.text;
  changed.removed = change.entry.kind == Entry::Kind::removal;
  place = std::make_shared<const Message>(std::move(changed), place->where);
}

std::expected<void, std::string> check_topic(std::string_view topic) {
  constexpr std::size_t longest = 500;  // bytes
  if (topic.size() > longest) {
    return std::unexpected(fmt::format("a topic has at most {} bytes", longest));
  }
  if (auto valid = proto::check_text(topic); !valid)
    return std::unexpected(valid.error().message());
  return {};
}

}  // namespace polyio::chat
