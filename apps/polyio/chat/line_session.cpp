#include <fmt/format.h>

#include <polyio/io/task_group.hpp>
#include <polyio/proto/line.hpp>
#include <polyio/proto/sniff.hpp>
#include <polyio/proto/text.hpp>

#include "sessions.hpp"

namespace polyio::chat {
namespace {

constexpr std::string_view help =
    "-- a line you send reaches everybody; besides:\n"
    "-- /nick NAME    be called NAME; /nick alone takes the name off\n"
    "-- /who          who is here\n"
    "-- /history [N]  the last N lines, at most 200\n"
    "-- /help         this\n"
    "-- quit          leave\n";

// The argument of `line` if it is `command` or `command` and a space.
std::optional<std::string_view> argument_of(std::string_view line, std::string_view command) {
  if (!line.starts_with(command)) return std::nullopt;
  line.remove_prefix(command.size());
  if (!line.empty() && line.front() != ' ') return std::nullopt;
  while (!line.empty() && line.front() == ' ') line.remove_prefix(1);
  while (!line.empty() && line.back() == ' ') line.remove_suffix(1);
  return line;
}

// One line client: what it says, one line at a time.
class LineTalk {
 public:
  LineTalk(Chat& chat, Io& io, ClientPtr client)
      : chat_(chat), io_(io), client_(std::move(client)), reader_(chat.options().max_line) {}

  // Takes bytes; false: the client leaves.
  bool feed(std::span<const std::byte> bytes) {
    reader_.feed(bytes);
    while (auto line = reader_.next()) {
      if (!take(*line)) return false;
    }
    return true;
  }
  // The end of file may follow a line without its end.
  void finish() {
    if (auto line = reader_.finish()) (void)take(*line);
  }

 private:
  void reply(std::string text) { chat_.reply(io_, client_, std::move(text)); }
  void error(std::string_view text) { reply(fmt::format("-- error: {}\n", text)); }

  bool take(const Result<std::string_view>& line) {
    const bool first = std::exchange(first_, false);
    if (!line) {
      error(fmt::format("line too long: at most {} bytes", chat_.options().max_line));
      return true;
    }
    // A browser that opened a connection ahead of time, or a page that makes it speak this
    // protocol.
    if (first && proto::is_http_request_line(*line)) return false;
    if (*line == "quit") return false;
    if (auto valid = proto::check_text(*line); !valid) {
      error(fmt::format("{}: nobody got this line", valid.error().message()));
      return true;
    }
    if (!command(*line)) chat_.say(io_, client_, *line);
    return true;
  }

  bool command(std::string_view line) {
    if (!line.starts_with('/')) return false;
    if (const auto name = argument_of(line, "/nick")) {
      const auto renamed = chat_.rename(io_, client_, *name);
      if (!renamed) {
        error(renamed.error());
      } else {
        reply(fmt::format("-- you are {} now\n", client_->name));
      }
      return true;
    }
    if (const auto count = argument_of(line, "/history")) return history(*count);
    if (line == "/who") {
      chat_.ask_who(io_, client_);
      return true;
    }
    if (line == "/help") {
      reply(std::string(help));
      return true;
    }
    return false;  // any other line is a message, such as a path
  }

  bool history(std::string_view argument) {
    std::size_t count = 0;
    for (const char digit : argument) {
      if (digit < '0' || digit > '9' || argument.size() > 9) {
        error("/history takes a number, at most 200");
        return true;
      }
      count = count * 10 + static_cast<std::size_t>(digit - '0');
    }
    chat_.ask_history(io_, client_, argument.empty() ? Room::history_limit : count);
    return true;
  }

  Chat& chat_;
  Io& io_;
  ClientPtr client_;
  proto::LineReader reader_;
  bool first_ = true;
};

// Takes what arrived, line by line; false: the client leaves. One that asks for more than it takes
// waits in the middle, and what it has sent leaves the buffer, which others need.
Task<bool> take_lines(Io& io, const ClientPtr& client, LineTalk& talk, Lease chunk) {
  std::string kept;
  std::string_view rest = chunk.text();
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n') + 1);  // 0: no end, all of it
    const std::string_view piece = line.empty() ? rest : line;
    if (!talk.feed(std::as_bytes(std::span(piece)))) co_return false;
    rest.remove_prefix(piece.size());
    if (!client->outbox.replies_full()) continue;
    if (!chunk.empty()) {
      kept = rest;
      rest = kept;
      chunk = {};
    }
    const bool taken = co_await wait_for_replies(io, client);
    if (!taken) co_return false;
  }
  co_return true;
}

// Reads until the client leaves. True: it left in an orderly way and may still be listening.
Task<bool> read_lines(Io& io, Stream& stream, const ClientPtr& client, LineTalk& talk,
                      const TaskGroup& group, FirstBytes first) {
  if (!talk.feed(std::as_bytes(std::span(first.held)))) co_return true;
  const bool stays = co_await take_lines(io, client, talk, std::move(first.chunk));
  if (!stays) co_return !group.cancelled();
  while (!first.ended) {
    auto chunk = co_await stream.receive();
    if (!chunk) co_return false;
    if (chunk->empty()) break;
    const bool goes_on = co_await take_lines(io, client, talk, std::move(*chunk));
    if (!goes_on) co_return !group.cancelled();
  }
  // Half a line is a message when the client ended it so: not when it is this server that ends, nor
  // when the connection was reset, which is told once, and here to the writer: it goes first.
  (void)co_await io.yield();
  if (!io.draining() && !group.cancelled()) talk.finish();
  co_return true;
}

}  // namespace

Task<> line_session(Chat& chat, Io& io, Stream& stream, FirstBytes first) {
  const ClientPtr client = std::move(first.client);
  LineTalk talk(chat, io, client);
  chat.join(io, client);
  bool orderly = false;
  auto both = [&](TaskGroup& group) -> Task<> {
    auto writer = group.spawn(write_outbox(io, stream, client, group));
    if (writer) {
      const bool finished = co_await read_lines(io, stream, client, talk, group, std::move(first));
      orderly = finished;
    }
    chat.leave(io, client);
    if (!orderly) group.cancel();
  };
  co_await with_task_group(io, both);
  if (orderly) co_await say_farewell(chat, io, stream);
}

}  // namespace polyio::chat
