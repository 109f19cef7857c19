#include "message.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>
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
// `text` as JSON writes it. Only strings become json values: the destructor of an object or array
// takes memory, and where there is none it ends the process.
std::string quoted(const std::string& text) { return json(text).dump(); }
}  // namespace

const std::string& Message::frame() const {
  std::call_once(framed_, [this] {
    const std::string event =
        fmt::format(R"({{"type":"message","id":{},"name":{},"text":{},"time":{}}})", id,
                    quoted(name), quoted(text), time_ms);
    object_size_ = event.size();
    frame_ = proto::encode_text(event);
  });
  return frame_;
}

std::string_view Message::object() const {
  const std::string_view whole = frame();
  return whole.substr(whole.size() - object_size_);
}

std::string hello_frame(std::uint64_t id, const std::string& name, std::size_t limit) {
  return proto::encode_text(
      fmt::format(R"({{"type":"hello","id":{},"name":{},"limit":{}}})", id, quoted(name), limit));
}

std::string presence_frame(const char* type, std::uint64_t id, const std::string& name) {
  return proto::encode_text(fmt::format(R"({{"type":"{}","id":{}{}{}}})", type, id,
                                        name.empty() ? "" : R"(,"name":)",
                                        name.empty() ? "" : quoted(name)));
}

std::string error_frame(const std::string& text, const char* about) {
  return proto::encode_text(fmt::format(R"({{"type":"error","text":{}{}{}}})", quoted(text),
                                        about ? R"(,"about":)" : "", about ? quoted(about) : ""));
}

std::string skipped_frame(std::uint64_t count) {
  return proto::encode_text(fmt::format(R"({{"type":"skipped","count":{}}})", count));
}

std::string history_frame(const std::deque<MessagePtr>& messages, std::size_t& from, bool first) {
  std::string text = R"({"type":"history",)";
  if (!first) text += R"("continued":true,)";
  text += R"("messages":[)";
  for (bool begun = false; from < messages.size() && text.size() < history_chunk; ++from) {
    if (std::exchange(begun, true)) text += ',';
    text += messages[from]->object();
  }
  text += "]}";
  return proto::encode_text(text);
}

std::string who_frame(const std::map<std::uint64_t, Name>& names, std::size_t total) {
  std::string text = R"({"type":"who","people":[)";
  for (bool begun = false; const auto& [id, name] : names) {
    if (std::exchange(begun, true)) text += ',';
    text += fmt::format(R"({{"id":{},"name":{}}})", id, quoted(*name));
  }
  text += fmt::format(R"(],"total":{}}})", total);
  return proto::encode_text(text);
}

std::string total_frame(std::size_t total) {
  return proto::encode_text(fmt::format(R"({{"type":"total","total":{}}})", total));
}

namespace {

// Takes a request's fields while it is parsed: no value is made of what is not used, however much
// is nested in it, and what is no object ends at its first character.
class RequestFields : public nlohmann::json_sax<json> {
 public:
  std::optional<std::string> type, text, nick;

  bool null() override { return value(); }
  bool boolean(bool) override { return value(); }
  bool number_integer(number_integer_t) override { return value(); }
  bool number_unsigned(number_unsigned_t) override { return value(); }
  bool number_float(number_float_t, const string_t&) override { return value(); }
  bool binary(binary_t&) override { return value(); }
  bool string(string_t& found) override {
    if (depth_ == 0) return false;  // the request itself
    if (field_) *field_ = std::move(found);
    field_ = nullptr;
    return true;
  }
  bool start_object(std::size_t) override { return open(); }
  bool start_array(std::size_t) override { return depth_ > 0 && open(); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    if (depth_ > 1) return true;
    field_ = name == "type" ? &type : name == "text" ? &text : name == "nick" ? &nick : nullptr;
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const json::exception&) override {
    return false;
  }

 private:
  // A field of another kind, also where it takes the place of an earlier string.
  bool value() {
    if (field_) field_->reset();
    field_ = nullptr;
    return depth_ > 0;
  }
  bool open() {
    if (depth_++ > 0) (void)value();
    return true;
  }
  bool close() {
    --depth_;
    return true;
  }

  std::optional<std::string>* field_ = nullptr;  // whose value comes next
  std::size_t depth_ = 0;
};

}  // namespace

Command parse_command(std::string_view text) {
  RequestFields fields;
  if (!json::sax_parse(text, &fields) || !fields.type) return {};
  if (fields.text && *fields.type == "say") return {Command::Kind::say, std::move(*fields.text)};
  if (fields.nick && *fields.type == "nick") return {Command::Kind::nick, std::move(*fields.nick)};
  return {};
}

}  // namespace polyio::chat
