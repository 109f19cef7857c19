#include "sessions.hpp"

#include <polyio/io/task_group.hpp>
#include <polyio/proto/sniff.hpp>

namespace polyio::chat {
namespace {

// Sends one batch: a single piece directly, several as one list.
Task<Result<>> send_pieces(Stream& stream, const std::vector<Piece>& pieces) {
  if (pieces.size() == 1) {
    auto sent = co_await stream.send_all(std::string_view(*pieces[0]));
    co_return sent;
  }
  std::vector<iovec> parts;
  for (std::size_t next = 0; next < pieces.size();) {
    parts.clear();
    for (; next < pieces.size() && parts.size() < 512; ++next) {
      parts.push_back({const_cast<char*>(pieces[next]->data()), pieces[next]->size()});
    }
    auto sent = co_await stream.send_all(std::span<const iovec>(parts));
    if (!sent) co_return sent;
  }
  co_return Result<>{};
}

std::string gap_notice(const Client& client, std::uint64_t count) {
  if (client.wire == Wire::websocket) return skipped_frame(count);
  return "-- " + std::to_string(count) + (count == 1 ? " message" : " messages") + " skipped\n";
}

// Until its client has nothing more to send; false when sending failed.
Task<bool> write_until_closed(Io& io, Stream& stream, Client& client) {
  for (;;) {
    Outbox::Batch batch = client.outbox.take();
    if (batch.empty() && batch.closed) co_return true;
    if (batch.empty()) {
      auto parked = co_await io.park();
      if (!parked) co_return false;
      continue;
    }
    if (batch.skipped) {
      batch.pieces.insert(batch.pieces.begin() + static_cast<std::ptrdiff_t>(batch.gap_at),
                          std::make_shared<const std::string>(gap_notice(client, batch.skipped)));
    }
    auto sent = co_await send_pieces(stream, batch.pieces);
    if (!sent) co_return false;
  }
}

}  // namespace

Task<> write_outbox(Io& io, Stream& stream, ClientPtr client, TaskGroup& group) {
  client->outbox.set_writer(&io.current());
  const bool finished = co_await write_until_closed(io, stream, *client);
  client->outbox.set_writer(nullptr);
  if (!finished) group.cancel();
}

Task<bool> wait_for_replies(Io& io, ClientPtr client) {
  client->outbox.set_reader(&io.current());
  bool cancelled = false;
  while (!cancelled && client->outbox.replies_full()) {
    auto parked = co_await io.park();
    cancelled = !parked;
  }
  client->outbox.set_reader(nullptr);
  co_return !cancelled;
}

Task<> say_farewell(Chat& chat, Io& io, Stream& stream) {
  if (!stream.shutdown_send()) co_return;
  CancelScope patience(io, chat.options().farewell);
  for (std::size_t taken = 0; taken < 256 * 1024;) {
    auto chunk = co_await stream.receive();
    if (!chunk || chunk->empty()) co_return;
    taken += chunk->size();
  }
}

namespace {

// Waits for the first bytes and decides. Empty: the connection ended, or said too little for too
// long.
Task<proto::Protocol> find_protocol(Chat& chat, Io& io, Stream& stream, FirstBytes& first) {
  proto::Sniffer sniffer;
  {
    CancelScope silence(io, chat.options().silence);
    auto chunk = co_await stream.receive();
    if (chunk) {
      first.chunk = std::move(*chunk);
    } else if (silence.timed_out()) {
      first.silent = true;
      co_return proto::Protocol::line;
    } else {
      co_return proto::Protocol::undecided;
    }
  }
  CancelScope patience(io, chat.options().request_timeout);
  while (!first.chunk.empty()) {
    const proto::Protocol protocol = sniffer.feed(first.chunk.bytes());
    if (protocol != proto::Protocol::undecided) {
      first.held = sniffer.take_held();
      co_return protocol;
    }
    auto chunk = co_await stream.receive();
    if (!chunk && patience.timed_out()) {  // typing slowly what might become a request
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

}  // namespace

Task<> serve_connection(Chat& chat, Io& io, Stream stream) {
  FirstBytes first;
  first.client = chat.make_client(stream, Wire::line);
  chat.listen(io, first.client);
  const proto::Protocol protocol = co_await find_protocol(chat, io, stream, first);
  if (protocol == proto::Protocol::line) {
    co_await line_session(chat, io, stream, std::move(first));
    co_return;
  }
  chat.forget(io, first.client);
  first.client.reset();
  if (protocol == proto::Protocol::http) {
    co_await http_session(chat, io, stream, std::move(first));
  }
}

}  // namespace polyio::chat
