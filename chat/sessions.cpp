#include "sessions.hpp"

#include <polyio/io/task_group.hpp>
#include <polyio/proto/sniff.hpp>

namespace polyio::chat {
namespace {

std::string gap_notice(const Client& client, std::uint64_t count) {
  if (client.wire == Wire::websocket) return skipped_frame(count);
  return "-- " + std::to_string(count) + (count == 1 ? " message" : " messages") + " skipped\n";
}

struct NotServed : std::exception {
  const char* what() const noexcept override { return "its room had no memory for it"; }
};

// The task that is to be unparked for an outbox, until its end.
template <void (Outbox::*set)(Job*)>
class Waiting {
 public:
  Waiting(Io& io, Outbox& outbox) : outbox_(outbox) { (outbox.*set)(&io.current()); }
  ~Waiting() { (outbox_.*set)(nullptr); }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;

 private:
  Outbox& outbox_;
};
using Writer = Waiting<&Outbox::set_writer>;
using Reader = Waiting<&Outbox::set_reader>;

enum class Sending : std::uint8_t { goes_on, finished, failed };

// Sends what is in the outbox now: a single piece directly, several as lists. A coroutine of its
// own, so that an idle client does not keep its frame (tests/chat/memory_test.cpp).
Task<Sending> send_batch(Member& member, Stream& stream) {
  Outbox::Batch batch = member.outbox().take();
  if (batch.failed()) throw NotServed();
  if (batch.awaited()) member.has_space();
  auto& pieces = batch.pieces;
  if (batch.skipped) {
    pieces.insert(pieces.begin() + static_cast<std::ptrdiff_t>(batch.gap_at),
                  std::make_shared<const std::string>(gap_notice(*member.client(), batch.skipped)));
  }
  if (pieces.size() == 1) {
    auto sent = co_await stream.send_all(std::string_view(*pieces[0]));
    if (!sent) co_return Sending::failed;
  } else {
    std::vector<Part> parts;
    for (std::size_t next = 0; next < pieces.size();) {
      parts.clear();
      for (; next < pieces.size() && parts.size() < 512; ++next) {
        parts.emplace_back(std::string_view(*pieces[next]));
      }
      auto sent = co_await stream.send_all(std::span<const Part>(parts));
      if (!sent) co_return Sending::failed;
    }
  }
  if (batch.notes == 0) co_return Sending::goes_on;
  if (batch.catching_up() || batch.presence_lost()) member.has_taken(batch);
  co_return batch.closed() ? Sending::finished : Sending::goes_on;
}

}  // namespace

Task<> write_outbox(Member& member, Stream& stream, TaskGroup& group) {
  Sending state = Sending::goes_on;
  {
    const Writer writer(stream.io(), member.outbox());
    while (state == Sending::goes_on) {
      const Sending now = co_await send_batch(member, stream);
      state = now;
      if (state != Sending::goes_on) break;
      auto parked = co_await stream.io().park();  // not at all if something came while it sent
      if (!parked) state = Sending::failed;
    }
  }
  member.has_space();  // the room need not wait for this one
  if (state == Sending::failed) group.cancel();
}

Task<bool> wait_for_room(Io& io, Outbox& outbox) {
  const Reader reader(io, outbox);
  while (outbox.reader_must_wait()) {
    auto parked = co_await io.park();
    if (!parked) co_return false;
  }
  co_return true;
}

Task<> let_writer_finish(Io& io, Outbox& outbox, TaskGroup& group, Deadline end) {
  CancelScope patience(io, end);
  const Reader reader(io, outbox);
  bool finishing = !group.cancelled();
  while (finishing && !outbox.writer_ended()) {
    auto parked = co_await io.park();
    finishing = parked.has_value();
  }
  if (!finishing) group.cancel();
}

Task<> say_farewell(Io& io, Stream& stream, Deadline end) {
  if (!stream.shutdown_send()) co_return;
  CancelScope patience(io, end);
  for (std::size_t taken = 0; taken < 256 * 1024;) {
    auto chunk = co_await stream.receive();
    if (!chunk || chunk->empty()) co_return;
    taken += chunk->size();
  }
}

Task<proto::Protocol> find_protocol(Chat& chat, Stream& stream, FirstBytes& first) {
  proto::Sniffer sniffer;
  {
    CancelScope silence(stream.io(), chat.options().silence);
    auto chunk = co_await stream.receive();
    if (chunk) {
      first.chunk = std::move(*chunk);
    } else if (silence.timed_out()) {
      co_return proto::Protocol::line;
    } else {
      co_return proto::Protocol::undecided;
    }
  }
  CancelScope patience(stream.io(), chat.options().request_timeout);
  while (!first.chunk.empty()) {
    const proto::Protocol protocol = sniffer.feed(first.chunk.bytes());
    if (protocol != proto::Protocol::undecided) {
      first.held = sniffer.take_held();
      co_return protocol;
    }
    auto chunk = co_await stream.receive();
    if (!chunk && patience.timed_out()) {  // slowly typed, and may still become a request
      first.held = sniffer.take_held();
      first.chunk = {};
      co_return proto::Protocol::line;
    }
    if (!chunk) co_return proto::Protocol::undecided;
    first.chunk = std::move(*chunk);
  }
  first.held = sniffer.take_held();
  first.ended = true;
  co_return first.held.empty() ? proto::Protocol::undecided : sniffer.finish();
}

}  // namespace polyio::chat
