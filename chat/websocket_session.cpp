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
  bool feed(std::string_view bytes) {
    reader_.feed(std::as_bytes(std::span(bytes)));
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
      case Kind::ping: return member_.outbox().push_pong(proto::encode_pong(event.payload));
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
          reply(error_frame(renamed.error(), "nick"));
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

enum class Reading : std::uint8_t { goes_on, over, broken };

// Handles what arrived a piece at a time, so that one page neither says much more than the rooms
// give out nor has the loop for itself. While it waits, its bytes are copied out of the buffer,
// which others need.
Task<Reading> take_frames(Io& io, Outbox& outbox, PageTalk& talk, Lease chunk, std::string kept) {
  constexpr std::size_t piece_size = 1024;
  std::string_view rest = chunk.empty() ? std::string_view(kept) : chunk.text();
  Turn turn;
  while (!rest.empty()) {
    const std::string_view piece = rest.substr(0, piece_size);
    if (!talk.feed(piece)) co_return Reading::over;
    rest.remove_prefix(piece.size());
    if (outbox.reader_must_wait()) {
      if (!chunk.empty()) {
        kept = rest;
        rest = kept;
        chunk = {};
      }
      const bool goes_on = co_await wait_for_room(io, outbox);
      if (!goes_on) co_return Reading::broken;
      turn.begin();
    } else if (turn.ends_after(piece.size())) {
      auto yielded = co_await io.yield();
      if (!yielded) co_return Reading::broken;
      turn.begin();
    }
  }
  co_return Reading::goes_on;
}

// Reads until the page leaves; true: in an orderly way.
Task<bool> read_frames(Io& io, Stream& stream, Outbox& outbox, PageTalk& talk, std::string rest) {
  Task<Reading> taking = take_frames(io, outbox, talk, {}, std::move(rest));
  for (;;) {
    const Reading reading = co_await taking;
    taking = {};  // its frame goes while nothing arrives
    if (reading != Reading::goes_on) co_return reading == Reading::over;
    auto chunk = co_await stream.receive();
    if (!chunk) co_return false;
    if (chunk->empty()) break;
    taking = take_frames(io, outbox, talk, std::move(*chunk), {});
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
Task<> keep_alive(Io& io, Nanoseconds interval, PageTalk& talk, TaskGroup& group,
                  Pinging& pinging) {
  CancelScope scope(io);
  pinging.scope = &scope;
  bool asked = false;
  while (!pinging.over) {
    auto slept = co_await io.sleep(interval);
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

Task<Deadline> websocket_session(Chat& chat, Io& io, Stream& stream, std::string rest) {
  Member member(chat, stream, Wire::websocket);
  PageTalk talk(member);
  talk.reply(hello_frame(member.client()->id, member.client()->name(), chat.options().max_line));
  member.join();
  Pinging pinging;
  Deadline end = never;
  const Nanoseconds interval = chat.options().ping_interval;
  auto all = [&](TaskGroup& group) -> Task<> {
    bool started = group.spawn(write_outbox, member, stream, group).has_value();
    if (started && interval > Nanoseconds::zero()) {
      started = group.spawn(keep_alive, io, interval, talk, group, pinging).has_value();
    }
    bool orderly = false;
    if (started) {
      const bool finished =
          co_await read_frames(io, stream, member.outbox(), talk, std::move(rest));
      orderly = finished;
    }
    member.leave();
    pinging.stop();
    end = deadline_after(io.now(), chat.options().farewell);
    if (!orderly) group.cancel();
    co_await let_writer_finish(io, member.outbox(), group, end);
  };
  co_await with_task_group(io, all);
  co_return end;
}

}  // namespace polyio::chat
