#include <fmt/format.h>

#include <polyio/io/task_group.hpp>
#include <polyio/proto/text.hpp>
#include <polyio/proto/websocket.hpp>
#include <set>

#include <chat/model/frames.hpp>
#include <chat/model/member.hpp>
#include "sessions.hpp"

namespace polyio::chat {
namespace {

// JSON may need six bytes for one (such as \u00e9); the object around the text adds its own.
constexpr std::size_t json_overhead = 6;
// Entries of a room's history: the first that a page is sent, and the most that it may ask for.
constexpr std::size_t first_entries = 50, most_entries = 200;

// One page's connection: acts on each of its frames.
class PageTalk {
 public:
  explicit PageTalk(Member& member)
      : member_(member),
        reader_(proto::WebSocketReader::Role::server,
                member.options().max_line * json_overhead + 256,
                proto::WebSocketReader::Messages::text,
                member.client()->wire == Wire::deflated_page
                    ? proto::WebSocketReader::Compression::deflate
                    : proto::WebSocketReader::Compression::none) {}

  // Handles received bytes; false: the conversation is over, the close frame is in the outbox.
  bool feed(std::string_view bytes) {
    reader_.feed(std::as_bytes(std::span(bytes)));
    while (auto event = reader_.next()) {
      heard_ = true;  // only for whole frames: one that never ends counts as silence
      take(*event);
    }
    return !reader_.finished();
  }
  Member& member() noexcept { return member_; }
  // Whether a frame arrived since the last call.
  bool heard() noexcept { return std::exchange(heard_, false); }
  void reply(std::string frame) { member_.reply(std::move(frame)); }
  // After a close frame no other may follow (RFC 6455, 5.5.1).
  void end(std::string close_frame) { member_.leave(std::move(close_frame)); }

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
    member_.spend();
    const auto request = parse_request(text);
    if (!request) {
      return reply(error_frame("not understood: send {\"type\":\"say\",\"text\":\"...\"}"));
    }
    if (const auto done = act(*request); !done) {
      reply(error_frame(done.error(), request->type, request->key));
    }
  }

  Verdict act(const PageRequest& request) {
    const std::string& type = request.type;
    if (!member_.inside()) return std::unexpected("no guests here: log in first");
    if (type == "say" || type == "edit") return say(request);
    if (type == "remove") return member_.remove(request.room, request.target);
    if (type == "nick") {
      if (!request.nick) return not_understood();
      if (auto renamed = member_.rename(*request.nick); !renamed) return renamed;
      reply(renamed_frame(member_.name()));
      return {};
    }
    if (type == "history") return history(request);
    if (type == "resume") {
      for (const auto& [room, last] : request.rooms) {
        if (!member_.is_in(room)) continue;
        begun_.insert(room);
        member_.resume(room, last + 1);
      }
      return {};
    }
    if (type == "show") {
      if (request.room && !member_.is_in(request.room)) {
        return std::unexpected("you are not in that room");
      }
      if (request.room && begun_.insert(request.room).second) {
        member_.send_newest(request.room, first_entries);
      }
      member_.show(request.room);
      return {};
    }
    return act_on_rooms(request);
  }

  Verdict act_on_rooms(const PageRequest& request) {
    const std::string& type = request.type;
    if (type == "read") return member_.read(request.room, request.seq);
    if (type == "join") return opened(member_.join_room(request.name));
    if (type == "direct") return opened(member_.converse(request.name));
    if (type == "part") return member_.part(request.room);
    if (type == "rooms") {
      reply(rooms_frame(member_.rooms()));
      return {};
    }
    if (type == "topic" && request.text) {
      if (auto valid = check(*request.text); !valid) return valid;
      return member_.set_topic(request.room, *request.text);
    }
    if (type == "mode")
      return member_.set_mode(request.room, request.is_private, request.read_only);
    if (Member::is_moderation(type)) return member_.moderate(request.room, type, request.name);
    return not_understood();
  }

  static Verdict not_understood() { return std::unexpected("not understood"); }
  Verdict opened(const std::expected<RoomId, std::string>& room) {
    if (!room) return std::unexpected(room.error());
    begun_.erase(*room);
    return {};
  }

  Verdict history(const PageRequest& request) {
    const std::size_t count = std::clamp<std::size_t>(request.count, 1, most_entries);
    if (!member_.is_in(request.room)) return std::unexpected("you are not in that room");
    const Sequence before = request.has_after ? 0 : request.before;
    member_.ask_store([room = request.room, after = request.after, before, count,
                       client = member_.client()](const Store& store) {
      const auto entries = store.history(room, after, before, count);
      if (!entries) return error_frame(entries.error().text, "history");
      const bool start =
          before != 0 ? entries->size() < count || entries->front().sequence == 1 : after == 0;
      return frame_for(*client, history_event(room, objects_of(*entries), start));
    });
    return {};
  }

  Verdict check(std::string_view text) const {
    if (text.size() > member_.options().max_line) {
      return std::unexpected(
          fmt::format("message too long: at most {} bytes", member_.options().max_line));
    }
    if (auto valid = proto::check_text(text); !valid) {
      return std::unexpected(valid.error().message() + ": nobody got this message");
    }
    return {};
  }

  Verdict say(const PageRequest& request) {
    constexpr std::size_t longest_key = 64;
    if (!request.text) return not_understood();
    if (auto valid = check(*request.text); !valid) return valid;
    if (request.key.size() > longest_key || !proto::check_text(request.key)) {
      return std::unexpected("a key has at most 64 characters");
    }
    const RoomId room = request.room ? request.room : lobby_id;
    if (request.type == "edit") return member_.edit(room, request.target, *request.text);
    const auto kind = request.action ? Entry::Kind::action : Entry::Kind::message;
    return member_.say(room, *request.text, kind, request.key);
  }

  Member& member_;
  proto::WebSocketReader reader_;
  std::set<RoomId> begun_;  // rooms whose entries the page has or gets
  bool heard_ = true;
};

enum class Reading : std::uint8_t { goes_on, over, broken };

// When a page that stays silent has been so for `intervals` ping intervals; never, where pages are
// not pinged.
Deadline end_of_silence(Io& io, const Member& member, int intervals) {
  const Nanoseconds interval = member.options().ping_interval;
  return interval > Nanoseconds::zero() ? deadline_after(io.now(), interval * intervals) : never;
}

// Handles what arrived a piece at a time, so that one page neither says much more than the rooms
// give out nor has the loop for itself. While it waits, its bytes are copied out of the buffer,
// which others need.
Task<Reading> take_frames(Io& io, PageTalk& talk, Lease chunk, std::string kept) {
  Outbox& outbox = talk.member().outbox();
  constexpr std::size_t piece_size = 1024;
  std::string_view rest = chunk.empty() ? std::string_view(kept) : chunk.text();
  Turn turn;
  while (!rest.empty()) {
    const std::string_view piece = rest.substr(0, piece_size);
    if (!talk.feed(piece)) co_return Reading::over;
    rest.remove_prefix(piece.size());
    const Nanoseconds pause = talk.member().pause();
    const bool waits = pause > Nanoseconds::zero() || outbox.reader_must_wait();
    if (waits && !chunk.empty()) {
      kept = rest;
      rest = kept;
      chunk = {};
    }
    if (pause > Nanoseconds::zero()) {
      if (talk.member().too_fast()) {
        ++talk.member().chat().counters().cut_off;
        talk.end(proto::encode_close(proto::close_code::policy_violation, "too fast"));
        co_return Reading::over;
      }
      auto slept = co_await io.sleep(pause);
      if (!slept) co_return Reading::broken;
      turn.begin();
    }
    if (outbox.reader_must_wait()) {
      const CancelScope patience(io, end_of_silence(io, talk.member(), 2));
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

// Reads until the page leaves; true: in an orderly way. Pings a silent page, and gives up one that
// does not answer. `taking`: what came with its handshake.
Task<bool> read_frames(Io& io, Stream& stream, PageTalk& talk, Task<Reading> taking) {
  Deadline silence_ends = end_of_silence(io, talk.member(), 1);
  bool asked = false;
  for (;;) {
    if (taking) {
      const Reading reading = co_await taking;
      taking = {};  // its frame goes while nothing arrives
      if (reading != Reading::goes_on) co_return reading == Reading::over;
    }
    if (talk.heard()) {
      silence_ends = end_of_silence(io, talk.member(), 1);
      asked = false;
    }
    const CancelScope silence(io, silence_ends);
    auto chunk = co_await stream.receive();
    if (chunk && chunk->empty()) break;
    if (chunk) {
      taking = take_frames(io, talk, std::move(*chunk), {});
    } else {
      if (asked || !silence.timed_out()) co_return false;
      asked = true;
      silence_ends = end_of_silence(io, talk.member(), 1);
      talk.reply(proto::encode_ping("?"));
    }
  }
  if (io.draining()) talk.end(proto::encode_close(proto::close_code::going_away));
  co_return true;
}

}  // namespace

Task<Farewell> websocket_session(Chat& chat, Stream& stream, std::unique_ptr<PageTerms> terms) {
  Io& io = stream.io();
  Member member(chat, stream, terms->deflated ? Wire::deflated_page : Wire::page,
                std::move(terms->address));
  PageTalk talk(member);
  member.join(terms->account ? &*terms->account : nullptr);
  Task<bool> reading =
      read_frames(io, stream, talk, take_frames(io, talk, {}, std::move(terms->rest)));
  terms.reset();
  Deadline end = never;
  auto both = [&](TaskGroup& group) -> Task<> {
    bool orderly = false;
    if (group.spawn(write_outbox, member, stream, group)) {
      const bool finished = co_await reading;
      orderly = finished;
    }
    member.leave();
    end = deadline_after(io.now(), member.options().farewell);
    if (!orderly) group.cancel();
    co_await let_writer_finish(io, member.outbox(), group, end);
  };
  co_await with_task_group(io, both);
  co_return end;
}

}  // namespace polyio::chat
