#include <fmt/format.h>

#include <polyio/io/task_group.hpp>
#include <polyio/proto/text.hpp>
#include <polyio/proto/websocket.hpp>

#include "frames.hpp"
#include "member.hpp"
#include "sessions.hpp"

namespace polyio::chat {
namespace {

// JSON may need six bytes for one (such as \u00e9); the object around the text adds its own.
constexpr std::size_t json_overhead = 6;

// One page's connection: acts on each of its frames.
class PageTalk {
 public:
  explicit PageTalk(Member& member)
      : member_(member),
        reader_(proto::WebSocketReader::Role::server,
                member.options().max_line * json_overhead + 256) {}

  // Handles received bytes; false: the conversation is over, the close frame is in the outbox.
  bool feed(std::span<const std::byte> bytes) {
    reader_.feed(bytes);
    while (auto event = reader_.next()) {
      heard_ = true;  // only for whole frames: one that never ends counts as silence
      take(*event);
    }
    return !reader_.finished();
  }
  // Whether a frame arrived since the last call.
  bool heard() noexcept { return std::exchange(heard_, false); }
  void reply(std::string frame) { member_.reply(std::move(frame)); }
  // After a close frame no other may follow (RFC 6455, 5.5.1).
  void end(std::string close_frame) { member_.reply_last(std::move(close_frame)); }

 private:
  using Kind = proto::WebSocketEvent::Kind;

  void take(const proto::WebSocketEvent& event) {
    switch (event.kind) {
      case Kind::message: return request(event.payload);
      case Kind::ping: return member_.client().outbox.push_pong(proto::encode_pong(event.payload));
      case Kind::pong: return;
      case Kind::close: return end(proto::encode_close(event.code));
      case Kind::error: return end(proto::encode_close(event.code, event.payload));
    }
  }

  void request(std::string_view text) {
    const Command command = parse_command(text);
    switch (command.kind) {
      case Command::Kind::say: return say(command.text);
      case Command::Kind::nick:
        if (auto renamed = member_.rename(command.text); !renamed) {
          reply(error_frame(renamed.error()));
        }
        return;
      case Command::Kind::none:
        return reply(error_frame("not understood: send {\"type\":\"say\",\"text\":\"...\"}"));
    }
  }

  void say(std::string_view text) {
    if (text.size() > member_.options().max_line) {
      return reply(error_frame(
          fmt::format("message too long: at most {} bytes", member_.options().max_line)));
    }
    if (auto valid = proto::check_text(text); !valid) {
      return reply(error_frame(valid.error().message() + ": nobody got this message"));
    }
    member_.say(text);
  }

  Member& member_;
  proto::WebSocketReader reader_;
  bool heard_ = true;
};

// Reads until the page leaves; true: in an orderly way.
Task<bool> read_frames(Io& io, Stream& stream, Client& client, PageTalk& talk, std::string rest) {
  if (!rest.empty() && !talk.feed(std::as_bytes(std::span(rest)))) co_return true;
  for (;;) {
    if (client.outbox.replies_full()) {
      const bool taken = co_await wait_for_replies(io, client);
      if (!taken) co_return false;
    }
    auto chunk = co_await stream.receive();
    if (!chunk) co_return false;
    if (chunk->empty()) break;
    if (!talk.feed(chunk->bytes())) co_return true;
  }
  if (io.draining()) talk.end(proto::encode_close(proto::close_code::going_away));
  co_return true;
}

// Ends keep_alive, which may not even have begun when the page leaves.
struct Pinging {
  CancelScope* scope = nullptr;
  bool over = false;
  void stop() {
    over = true;
    if (scope) scope->cancel();
  }
};

// Pings a silent page, and drops one that does not answer.
Task<> keep_alive(Chat& chat, Io& io, PageTalk& talk, TaskGroup& group, Pinging& pinging) {
  CancelScope scope(io);
  pinging.scope = &scope;
  bool asked = false;
  while (!pinging.over) {
    auto slept = co_await io.sleep(chat.options().ping_interval);
    if (!slept) break;
    const bool heard = talk.heard();
    if (!heard && asked) {
      group.cancel();
      break;
    }
    asked = !heard;
    if (asked) talk.reply(proto::encode_ping("?"));
  }
  pinging.scope = nullptr;
}

}  // namespace

Task<> websocket_session(Chat& chat, Io& io, Stream& stream, std::string rest) {
  Member member(chat, stream, Wire::websocket);
  Client& client = member.client();
  PageTalk talk(member);
  talk.reply(hello_frame(client.id, client.name(), chat.options().max_line));
  member.join();
  member.listen();
  Pinging pinging;
  auto all = [&](TaskGroup& group) -> Task<> {
    auto writer = group.spawn(write_outbox(stream, client, group));
    auto pinger = group.spawn(keep_alive(chat, io, talk, group, pinging));
    bool orderly = false;
    if (writer && pinger) {
      const bool finished = co_await read_frames(io, stream, client, talk, std::move(rest));
      orderly = finished;
    }
    member.leave();
    pinging.stop();
    if (!orderly) group.cancel();
  };
  co_await with_task_group(io, all);
}

}  // namespace polyio::chat
