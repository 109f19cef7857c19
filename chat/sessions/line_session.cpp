#include <fmt/format.h>

#include <polyio/io/task_group.hpp>
#include <polyio/proto/line.hpp>
#include <polyio/proto/sniff.hpp>
#include <polyio/proto/telnet.hpp>
#include <polyio/proto/text.hpp>

#include "line_commands.hpp"
#include "sessions.hpp"

namespace polyio::chat {
namespace {

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
    const Deadline gone_by = deadline_after(io().now(), member_.options().farewell);
    if (broken) group.cancel();
    co_await let_writer_finish(io(), member_.outbox(), group, gone_by);
    if (!group.cancelled()) farewell_ = gone_by;
  }
  // Always false.
  bool refuse(std::string_view what) {
    member_.log(
        {fmt::format("refused: {}: {}", member_.client()->address, what), LogLevel::warning});
    return false;
  }
  Farewell farewell() const noexcept { return farewell_; }

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
  Farewell farewell_;
};

}  // namespace

Task<Farewell> line_session(Chat& chat, Stream& stream, FirstBytesPtr first) {
  LineSession session(chat, stream, std::move(first));
  session.member().join();
  auto both = [&session](TaskGroup& group) { return session.run(group); };
  co_await with_task_group(stream.io(), both);
  co_return session.farewell();
}

}  // namespace polyio::chat
