// Clients of the chat for the sim driver's network: what all have in common (Client) and those that
// speak lines (LineClient). Each draws from its seed what it sends, how it cuts that up, how fast
// it reads and how it leaves; it checks every byte it gets, and at its end whether anything is
// missing. All its valid messages begin with its number and a sequence number, "3.17 ".
#pragma once

#include <chat/model/chat.hpp>
#include <polyio/base/text.hpp>
#include <polyio/io/stream.hpp>
#include <polyio/io/task_group.hpp>

#include "record.hpp"

namespace polyio::chat_test {

using namespace std::chrono_literals;
using sim_test::require_errno;

struct World {
  Io& io;
  SimDriver& sim;
  os::Address server;
  chat::ChatOptions options;
  Record& record;
  bool disturbed = false;    // the server is cancelled or drained at some time
  bool pings_often = false;  // pages may be dropped at any time

  // The network takes a few bytes at a time: a long message takes a million turns.
  bool narrow() const {
    const SimOptions& network = sim.options();
    return std::min({network.window_max, network.segment_max, network.lease_size}) < 64;
  }
};

enum class Goodbye : std::uint8_t { quit, half_close, close, reset };

class Client {
 public:
  Client(World& world, unsigned number, std::uint64_t seed)
      : world_(world), random_(seed), number_(number), hearing_(world.record) {
    slow_ = random_.chance(1, 4);
    byte_wise_ = random_.chance(1, 8);
    unhurried_ = random_.chance(1, 3);
    patient_ = random_.chance(1, 2);
    goodbye_ = static_cast<Goodbye>(random_.below(random_.chance(1, 3) ? 4 : 2));
  }
  virtual ~Client() = default;

  Task<> run() {
    (void)co_await world_.io.sleep(upto(random_.chance(1, 4) ? 500ms : 3ms));
    said_at_start_ = world_.record.said().size();
    auto stream = co_await world_.io.connect(world_.server);
    if (!stream) {
      constexpr std::array legal{ECONNREFUSED, ETIMEDOUT,  EMFILE,   ENFILE,
                                 ENOBUFS,      ECONNRESET, ECANCELED};
      require_errno(stream.error(), legal, "connect");
      require(world_.disturbed || hostile(), "a connect failed without a fault");
      co_return;
    }
    socket_ = *stream->local_address();
    address_ = fmt::format("('{}', {})", socket_.host(), socket_.port());
    auto talk = [this, &stream](TaskGroup& group) { return converse(*stream, group); };
    co_await with_task_group(world_.io, talk);
    stream->close();
    if (goodbye_ > Goodbye::half_close || world_.sim.was_reset(socket_) || world_.disturbed) {
      co_return;
    }
    orderly_ = judge();
  }

  unsigned number() const { return number_; }
  const std::vector<std::string>& said() const { return said_; }
  // Whether it could say all it wanted and left in an orderly way.
  bool orderly() const { return orderly_; }
  const Hearing& hearing() const { return hearing_; }

 protected:
  virtual Task<> speak(Stream& stream) = 0;
  // The last words, if any.
  virtual Task<> say_goodbye(Stream& stream) = 0;
  virtual void take(std::string_view bytes) = 0;
  // The end of what came, after an orderly goodbye and without a fault. False: it was no guest.
  virtual bool judge() = 0;

  Nanoseconds upto(Nanoseconds most) {
    return Nanoseconds(random_.below(static_cast<std::uint64_t>(most.count())));
  }
  bool hostile() const { return world_.sim.options().profile == "hostile"; }

  // To be called for every message heard.
  void count_own(std::string_view text) {
    if (text.starts_with("GET ")) text.remove_prefix(4);
    const std::string tag = fmt::format("{}.", number_);
    own_heard_ += text.starts_with(tag);
  }

  // A new valid message.
  std::string message() {
    std::string text = fmt::format("{}.{} ", number_, said_.size());
    const std::size_t room = world_.options.max_line - text.size();
    auto length = random_.chance(1, 30) ? room : random_.below(std::min<std::size_t>(room, 40));
    if (random_.chance(1, 8) && length > 8) {
      text += "\u00e9\t\\\U0001F600";
      length -= 8;
    }
    text.append(length, static_cast<char>('a' + random_.below(26)));
    return said_.emplace_back(std::move(text));
  }

  // Bytes that no other client may get.
  std::string bad_text() {
    switch (random_.below(5)) {
      case 0: return std::string(world_.options.max_line + 1 + random_.below(200), 'x');
      case 1: return "\xff\xfe";
      case 2: return "\x1b[2J";
      case 3: return "\u202e reversed";
      default: return std::string("a\0b", 3);
    }
  }

  std::string nickname() {
    constexpr std::array odd{"a]b", "  ", "bob", "BOB", "", "two  spaces", "(x)", "\xff"};
    if (random_.chance(1, 2)) return odd[random_.below(odd.size())];
    return fmt::format("n{}{}", number_, random_.below(3));
  }

  // All at once, in pieces, or byte by byte; false: no more can be sent.
  Task<bool> send(Stream& stream, std::string_view text) {
    while (sending_) (void)co_await world_.io.sleep(10us);
    sending_ = true;
    std::size_t piece = text.size();
    if (byte_wise_ && text.size() < 100) piece = 1;
    while (!text.empty() && !broken_) {
      if (random_.chance(1, 3)) piece = 1 + random_.below(text.size());
      const auto part = text.substr(0, piece);
      auto sent = co_await stream.send_all(part);
      if (!sent) broken(sent.error());
      text.remove_prefix(part.size());
      if (unhurried_ && random_.chance(1, 8)) (void)co_await world_.io.sleep(upto(2ms));
    }
    sending_ = false;
    co_return !broken_;
  }

  World& world_;
  Random random_;
  const unsigned number_;
  Hearing hearing_;
  bool slow_, byte_wise_, unhurried_, patient_;
  bool asked_history_ = false;  // its answer repeats messages
  Goodbye goodbye_;
  os::Address socket_;
  std::string address_;
  std::size_t said_at_start_ = 0;
  std::vector<std::string> said_;
  bool sending_ = false, ended_ = false, broken_ = false, leaving_ = false;

 private:
  // What it said comes back while it is here, not only when it leaves.
  Task<> wait_for_own() {
    const auto heard_all = [this] {
      return own_heard_ >= said_.size() || hearing_.gaps() > 0 || ended_ || broken_;
    };
    const TimePoint begin = world_.io.now();
    for (Nanoseconds rest = 1ms; !heard_all(); rest = std::min<Nanoseconds>(2 * rest, 1s)) {
      auto slept = co_await world_.io.sleep(rest);
      if (!slept) co_return;
      const bool late = world_.io.now() - std::max(begin, heard_at_) > 100s;
      require(!late || world_.disturbed, "what it said does not come back");
      if (late) co_return;
    }
  }

  Task<> converse(Stream& stream, TaskGroup& group) {
    (void)group.spawn([&] { return listen(stream); });
    co_await speak(stream);
    if (patient_ && !asked_history_) co_await wait_for_own();
    co_await say_goodbye(stream);
    leaving_ = true;
    if (goodbye_ == Goodbye::half_close) (void)stream.shutdown_send();
    if (goodbye_ == Goodbye::reset) world_.sim.reset_connection(socket_);
    if (goodbye_ >= Goodbye::close) group.cancel();
  }

  Task<> listen(Stream& stream) {
    heard_at_ = world_.io.now();
    while (!ended_ && !broken_) {
      if (slow_) (void)co_await world_.io.sleep(upto(leaving_ ? 100us : 2ms));
      CancelScope patience(world_.io, 20s);
      auto bytes = co_await receive(stream);
      if (!bytes && patience.timed_out()) {
        check_patience();
        continue;
      }
      if (!bytes) co_return broken(bytes.error());
      heard_at_ = world_.io.now();
      ended_ = bytes->empty();
      take(*bytes);
    }
  }

  Task<Result<std::string>> receive(Stream& stream) {
    if (!slow_) {
      auto chunk = co_await stream.receive();
      if (!chunk) co_return fail(chunk.error());
      co_return std::string(chunk->text());
    }
    std::array<char, 256> room;
    const auto size = 1 + random_.below(room.size());
    auto count = co_await stream.receive_into(std::as_writable_bytes(std::span(room).first(size)));
    if (!count) co_return fail(count.error());
    co_return std::string(room.data(), *count);
  }

  // A client that has left is hung up on soon: nothing else would end its session.
  void check_patience() {
    const Stay* stay = world_.record.stay(address_);
    if (!stay || !stay->has_left || world_.disturbed) return;
    const TimePoint last = std::max(stay->left_at, heard_at_);
    require(world_.io.now() - last < 20s, "the server does not hang up");
  }

  void broken(std::error_code error) {
    broken_ = true;
    constexpr std::array legal{ECONNRESET, EPIPE, ECANCELED, ETIMEDOUT};
    require_errno(error, legal, "stream");
  }

  TimePoint heard_at_{};
  std::size_t own_heard_ = 0;
  bool orderly_ = false;
};

class LineClient final : public Client {
 public:
  LineClient(World& world, unsigned number, std::uint64_t seed) : Client(world, number, seed) {
    items_ = random_.chance(1, 24) && !world.narrow() ? 400 : random_.below(6);
    bulk_ = items_ > 100;
  }

 private:
  Task<> speak(Stream& stream) override {
    if (random_.chance(1, 6)) (void)co_await world_.io.sleep(upto(600ms));
    std::string bytes;
    for (auto left = items_; left > 0; --left) {
      bytes += item() + (random_.chance(1, 8) ? "\r\n" : "\n");
      if (left > 1 && (bulk_ || random_.chance(1, 3))) continue;
      const bool sent = co_await send(stream, bytes);
      if (!sent) co_return;
      bytes.clear();
      if (random_.chance(1, 3)) (void)co_await world_.io.sleep(upto(3ms));
    }
    if (random_.chance(1, 8)) (void)co_await world_.io.sleep(upto(50ms));
  }

  Task<> say_goodbye(Stream& stream) override {
    std::string bytes;
    if (goodbye_ == Goodbye::quit) bytes = "quit\nnever said\n";
    if (goodbye_ == Goodbye::half_close && random_.chance(1, 3)) bytes = message();
    if (goodbye_ == Goodbye::quit && random_.chance(1, 2)) bytes.resize(5);
    (void)co_await send(stream, bytes);
  }

  std::string item() {
    if (said_.empty() && random_.chance(1, 12)) {  // held back: it might become a request
      begun_ = true;
      message();
      return said_.back() = "GET " + said_.back().substr(0, world_.options.max_line - 4);
    }
    const auto kind = bulk_ ? 99 : random_.below(100);
    const bool first = !std::exchange(begun_, true);
    if (kind < 8 && !first) {  // one that begins with no text is hung up on
      ++answers_owed_;
      return bad_text();
    }
    if (kind < 16) {
      ++answers_owed_;
      const std::string name = nickname();
      return "/nick " + (first && name == "\xff" ? "bob" : name);
    }
    if (kind < 19) return "/who";
    if (kind < 21) return "/help";
    if (kind < 24) {
      asked_history_ = true;
      return fmt::format("/history {}", random_.below(4));
    }
    return message();
  }

  void take(std::string_view bytes) override {
    const Stay* stay = world_.record.stay(address_);
    buffer_ += bytes;
    std::size_t start = 0;
    for (auto end = buffer_.find('\n'); end != std::string::npos;) {
      if (!hearing_.begun()) {
        const auto& said = world_.record.said();
        hearing_.begin(said_at_start_, stay ? stay->said_before : said.size());
      }
      line(std::string_view(buffer_).substr(start, end - start));
      start = end + 1;
      end = buffer_.find('\n', start);
    }
    buffer_.erase(0, start);
  }

  void line(std::string_view text) {
    require(proto::check_text(text).has_value(), "a receiver got what is not clean text");
    if (text.starts_with("-- ")) return notice(text);
    const auto end = text.find("] ");
    require(text.starts_with("[") && end != std::string::npos,
            fmt::format("a malformed line: {}", text));
    if (asked_history_) {  // may be one of long ago
      const std::string logged = escape_for_log(text.substr(end + 2), 1024);
      require(world_.record.was_said(fmt::format("{} {}", text.substr(0, end + 1), logged)),
              fmt::format("never said: {}", text));
      return;
    }
    hearing_.hear(text.substr(1, end - 1), text.substr(end + 2));
    count_own(text.substr(end + 2));
  }

  void notice(std::string_view text) {
    if (text.starts_with("-- error: ") || text.starts_with("-- you are ")) ++answers_;
    if (!text.contains(" skipped (") || text.starts_with("-- error: ")) return;
    std::uint64_t count = 0, from = 0;
    const auto number = [&text](std::size_t at, std::uint64_t& value) {
      (void)std::from_chars(text.data() + at, text.data() + text.size(), value);
    };
    number(3, count);
    number(text.find('(') + 1, from);
    require(text == fmt::format("-- {} message{} skipped ({} to {})", count, count == 1 ? "" : "s",
                                from, from + count - 1),
            "a malformed gap");
    if (!asked_history_) hearing_.skip(count);
  }

  bool judge() override {
    const Stay* stay = world_.record.stay(address_);
    if (!stay && said_.empty() && goodbye_ == Goodbye::half_close) {  // gone within 300 ms
      return false;
    }
    require(stay && stay->has_left, "it was never here, or never left");
    require(ended_ && !broken_, "there was no end of file");
    require(buffer_.empty(), "half a line at the end");
    require(answers_ == answers_owed_, "an answer is missing, or too many");
    if (!hearing_.begun()) hearing_.begin(said_at_start_, stay->said_before);
    require(
        asked_history_ || hearing_.complete(stay->said_until),
        fmt::format("{} lines heard, and of {} were to be", hearing_.heard(), stay->said_until));
    return true;
  }

  std::uint64_t items_;
  bool bulk_;
  bool begun_ = false;  // something was sent
  std::size_t answers_owed_ = 0, answers_ = 0;
  std::string buffer_;
};

}  // namespace polyio::chat_test
