#include <fmt/format.h>

#include <polyio/io/task_group.hpp>
#include <polyio/proto/line.hpp>
#include <polyio/proto/proxy.hpp>
#include <polyio/proto/sniff.hpp>
#include <polyio/proto/telnet.hpp>
#include <polyio/proto/text.hpp>
#include <polyio/tls/tls.hpp>

#include "line_commands.hpp"
#include "sessions.hpp"

namespace polyio::chat {
namespace {

Task<> serve_secured(Chat& chat, Stream stream, FirstBytesPtr first);

// One line client: reads its lines and acts on each.
class LineSession {
 public:
  LineSession(Chat& chat, Stream& stream, FirstBytesPtr first)
      : member_(chat, stream, Wire::line, first->address),
        commands_(member_, stream.io()),
        stream_(stream),
        first_(std::move(first)),
        reader_(chat.options().max_line) {
    member_.expect(first_->from);
  }

  Member& member() noexcept { return member_; }
  // Reads until the client leaves, with a writer beside, both in `group`.
  Task<> run(TaskGroup& group) {
    bool broken = !group.spawn(write_outbox, member_, stream_, group);
    bool stays = !broken;
    Task<bool> taking = take_first();
    while (stays) {
      const bool goes_on = co_await taking;
      taking = {};  // its frame goes while nothing arrives
      stays = goes_on;
      if (!stays || ended_) break;
      // On the heap, because few clients are in the middle of a line.
      std::unique_ptr<CancelScope> patience;
      if (reader_.unfinished()) patience = std::make_unique<CancelScope>(io(), line_ends_by());
      auto chunk = co_await stream_.receive();
      stays = chunk || !patience || !patience->timed_out();
      patience.reset();
      if (!stays) {
        error("a line that has begun must end");
        break;
      }
      broken = !chunk;
      if (broken) break;
      ended_ = chunk->empty();
      taking = take(std::move(*chunk));
    }
    // The end of file completes an unfinished line, unless this server is stopping or the
    // connection was reset. A reset is reported once, perhaps to the writer: let it run first.
    if (stays && !broken) {
      (void)co_await io().yield();
      if (!io().draining() && !group.cancelled()) finish();
    }
    member_.leave();
    gone_by_ = deadline_after(io().now(), member_.options().farewell);
    if (broken) group.cancel();
    co_await let_writer_finish(io(), member_.outbox(), group, gone_by_);
    orderly_ = !group.cancelled();
  }
  // Always false.
  bool refuse(std::string_view what) {
    member_.log(
        {fmt::format("refused: {}: {}", member_.client()->address, what), LogLevel::warning});
    return false;
  }
  // True: it has left in an orderly way and may still be reading, until gone_by().
  bool orderly() const noexcept { return orderly_; }
  Deadline gone_by() const noexcept { return gone_by_; }

 private:
  Io& io() const noexcept { return stream_.io(); }

  // Both handle what arrived, line by line; false: the client leaves. One that asks for more than
  // it reads, or says more than the rooms give out, waits in the middle; its bytes are copied out
  // of the buffer, which others need. After some lines other clients have their turn.
  Task<bool> take_first() {
    const FirstBytesPtr first = std::move(first_);
    ended_ = first->ended;
    if (!feed(first->held)) co_return false;
    co_return co_await take(std::move(first->chunk));
  }
  Task<bool> take(Lease chunk) {
    std::string kept;
    std::string_view rest = chunk.text();
    Turn turn;
    while (!rest.empty()) {
      const std::string_view line = rest.substr(0, rest.find('\n') + 1);  // 0: no end, all of it
      const std::string_view piece = line.empty() ? rest : line;
      if (!feed(piece)) co_return false;
      rest.remove_prefix(piece.size());
      const Nanoseconds pause = member_.pause();
      const bool waits =
          commands_.waits() || pause > Nanoseconds::zero() || member_.outbox().reader_must_wait();
      if (waits && !chunk.empty()) {
        kept = rest;
        rest = kept;
        chunk = {};
      }
      if (commands_.waits()) co_await commands_.wait();
      if (pause > Nanoseconds::zero()) {
        if (member_.too_fast()) {
          ++member_.chat().counters().cut_off;
          error("that was too fast for too long");
          co_return false;
        }
        auto slept = co_await io().sleep(pause);
        if (!slept) co_return false;
        turn.begin();
      }
      if (member_.outbox().reader_must_wait()) {
        const bool goes_on = co_await wait_for_room(io(), member_.outbox());
        if (!goes_on) co_return false;
        turn.begin();
      } else if (turn.ends_after(piece.size())) {
        auto yielded = co_await io().yield();
        if (!yielded) co_return false;
        turn.begin();
      }
    }
    co_return true;
  }

  Deadline line_ends_by() const {
    return deadline_after(line_began_, member_.options().line_timeout);
  }

  // False: the client leaves.
  bool feed(std::string_view bytes) {
    const auto raw = std::as_bytes(std::span(bytes));
    if (!telnet_.applies(raw)) return feed_text(bytes);
    const std::string text = telnet_.filter(raw);
    return !telnet_.broken() && feed_text(text);
  }
  bool feed_text(std::string_view bytes) {
    bool begins = !reader_.unfinished();
    reader_.feed(std::as_bytes(std::span(bytes)));
    while (auto line = reader_.next()) {
      if (!take_line(*line)) return false;
      begins = true;
    }
    if (begins && reader_.unfinished()) line_began_ = io().now();
    return true;
  }
  // The last line may lack its newline.
  void finish() {
    if (auto line = reader_.finish()) (void)take_line(*line);
  }

  void error(std::string_view text) { member_.reply(fmt::format("-- error: {}\n", text)); }

  bool take_line(const Result<std::string_view>& line) {
    const bool first = std::exchange(first_line_, false);
    // What begins with something else than a line is not this protocol: a page that makes
    // its browser send a request, whatever the method and however long the path, or a TLS client.
    if (!line) {
      error(fmt::format("line too long: at most {} bytes", member_.options().max_line));
      return !first || refuse("a first line that is too long");
    }
    if (first && proto::is_http_request_line(*line)) return refuse("an HTTP request");
    if (*line == "quit") return false;
    if (auto valid = proto::check_text(*line); !valid) {
      error(fmt::format("{}: nobody got this line", valid.error().message()));
      return !first || refuse("a first line that is no text");
    }
    member_.spend();
    commands_.take(*line);
    return true;
  }

  Member member_;
  LineCommands commands_;
  Stream& stream_;
  FirstBytesPtr first_;
  proto::LineReader reader_;
  proto::TelnetFilter telnet_;
  bool first_line_ = true;
  bool ended_ = false;      // the end of file has come
  TimePoint line_began_{};  // the unfinished one
  Deadline gone_by_ = never;
  bool orderly_ = false;
};

[[gnu::noinline]] Task<> turn_away(Chat& chat, Stream& stream, std::string_view address) {
  chat.log({fmt::format("refused: {}: too many connections", address), LogLevel::warning});
  constexpr std::string_view full = "-- error: too many connections from your address\n";
  (void)co_await stream.send_all(full);
}

// A frame of its own: a page does without.
[[gnu::noinline]] Task<> line_session(Chat& chat, Stream& stream, FirstBytesPtr first) {
  LineSession session(chat, stream, std::move(first));
  session.member().join();
  auto both = [&session](TaskGroup& group) { return session.run(group); };
  co_await with_task_group(stream.io(), both);
  if (session.orderly()) co_await say_farewell(stream.io(), stream, session.gone_by());
}

// Until its first bytes say otherwise, a connection is a line client that listens. `first`: what
// is known of it and has arrived already.
Task<> serve(Chat& chat, Stream stream, FirstBytesPtr first) {
  {
    const Admission admission(chat.flood(), host_of(first->address));
    if (!admission.granted()) co_return co_await turn_away(chat, stream, first->address);
    first->from = chat.lobby_end();
    const proto::Protocol protocol = co_await find_protocol(chat, stream, *first);
    const bool secures = protocol == proto::Protocol::tls && chat.options().tls && !stream.layer();
    if (protocol == proto::Protocol::undecided) co_return;
    if (protocol == proto::Protocol::http) {
      co_return co_await http_session(chat, stream.io(), stream, std::move(first));
    }
    if (!secures) {  // lines; or TLS where there is none, whose first line is no text
      co_return co_await line_session(chat, stream, std::move(first));
    }
  }
  co_await serve_secured(chat, std::move(stream), std::move(first));
}

// The same again over TLS, which may carry any of the protocols.
Task<> serve_secured(Chat& chat, Stream stream, FirstBytesPtr first) {
  Io& io = stream.io();
  {
    const std::string bytes = first->held + std::string(first->chunk.text());
    first->held.clear();
    first->chunk = {};
    auto secured =
        co_await tls::accept(stream, *chat.options().tls, bytes, chat.options().request_timeout);
    if (!secured) {
      co_return chat.log(
          {fmt::format("refused: {}: TLS: {}", first->address, secured.error().message()),
           LogLevel::warning});
    }
  }
  const StreamLayer* const layer = stream.layer();
  co_await serve(chat, std::move(stream), std::move(first));
  co_await tls::closed(io, layer);
}

bool may_be_proxy_header(std::string_view bytes) {
  using namespace std::string_view_literals;
  const auto begins = [bytes](std::string_view signature) {
    return signature.starts_with(bytes.substr(0, signature.size()));
  };
  return begins("PROXY ") || begins("\r\n\r\n\0\r\nQUIT\n"sv);
}

// A proxy's own header comes first, if it sends one (PROXY protocol).
Task<> serve_proxied(Chat& chat, Stream stream, FirstBytesPtr first) {
  proto::ProxyHeaderReader reader;
  {
    CancelScope patience(stream.io(), chat.options().request_timeout);
    for (std::string all;;) {
      auto chunk = co_await stream.receive();
      if (!chunk || chunk->empty()) co_return;
      const std::string_view bytes = chunk->text();
      all += bytes;
      if (!may_be_proxy_header(all)) {
        first->held = std::move(all);  // an HTTP proxy's, whose headers say where it comes from
        break;
      }
      const auto step = reader.feed(std::as_bytes(std::span(bytes)));
      if (step.progress == proto::ProxyHeaderReader::Progress::need_more) continue;
      if (step.progress == proto::ProxyHeaderReader::Progress::error) {
        co_return chat.log(
            {fmt::format("refused: {}: PROXY protocol: {}", first->address, reader.error()),
             LogLevel::warning});
      }
      const proto::ProxySource& source = reader.source();
      if (!source.host.empty()) {
        first->address = fmt::format("('{}', {})", source.host, source.port);
      }
      first->held = bytes.substr(step.consumed);
      break;
    }
  }
  co_await serve(chat, std::move(stream), std::move(first));
}

}  // namespace

Task<> serve_connection(Chat& chat, Stream stream) {
  auto first = std::make_unique<FirstBytes>();
  first->address = address_of(stream);
  if (chat.trusts(host_of(first->address))) {
    return serve_proxied(chat, std::move(stream), std::move(first));
  }
  return serve(chat, std::move(stream), std::move(first));
}

}  // namespace polyio::chat
