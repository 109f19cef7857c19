// A key-value server that speaks Redis's protocol (RESP2), so that redis-cli and redis-benchmark
// can talk to it: redis_server [ADDRESS [MODEL [ARCHITECTURE [WORKERS]]]]
// PING ECHO SET [EX s|PX ms|NX|XX] GET DEL EXISTS INCR EXPIRE TTL DBSIZE FLUSHALL QUIT
#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <polyio/base/text.hpp>
#include <polyio/server/server.hpp>
#include <ranges>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

using namespace polyio;
using namespace std::chrono_literals;

// --- What is stored ---

struct Hash {
  using is_transparent = void;
  std::size_t operator()(std::string_view key) const { return std::hash<std::string_view>()(key); }
};
struct Entry {
  std::string value;
  Deadline expires = never;
};
// A part of the keys: loops and threads that serve different ones do not wait for each other.
struct alignas(64) Shard {
  std::mutex mutex;
  std::unordered_map<std::string, Entry, Hash, std::equal_to<>> entries;
};
std::array<Shard, 64> shards;

// Where the entry of `key` is or would be; its shard is locked meanwhile.
class Place {
 public:
  Place(std::string_view key, TimePoint now)
      : key_(key),
        shard_(shards[Hash()(key) % shards.size()]),
        lock_(shard_.mutex),
        at_(shard_.entries.find(key)) {
    if (*this && at_->second.expires <= now) erase();
  }
  explicit operator bool() const { return at_ != shard_.entries.end(); }
  Entry* operator->() { return &at_->second; }
  void make() {
    if (!*this) at_ = shard_.entries.emplace(key_, Entry()).first;
  }
  void erase() {
    shard_.entries.erase(at_);
    at_ = shard_.entries.end();
  }

 private:
  std::string_view key_;
  Shard& shard_;
  std::lock_guard<std::mutex> lock_;
  decltype(Shard::entries)::iterator at_;
};

// --- Commands ---

using Words = std::vector<std::string_view>;

struct Reply {
  std::string bytes;
  bool open = true;  // false: the connection ends once they are sent

  void ok() { bytes += "+OK\r\n"; }
  void null() { bytes += "$-1\r\n"; }
  void integer(std::int64_t n) { bytes.append(":").append(std::to_string(n)).append("\r\n"); }
  void bulk(std::string_view text) {
    bytes.append("$").append(std::to_string(text.size())).append("\r\n");
    bytes.append(text).append("\r\n");
  }
  void error(std::string_view text) { bytes.append("-ERR ").append(text).append("\r\n"); }
  void not_integer() { error("value is not an integer or out of range"); }
};

// One command: its words (valid while it runs), when it came, and where the answer goes.
struct Call {
  const Words& words;
  TimePoint now;
  Reply& reply;

  Place place() const { return Place(words[1], now); }
  std::span<const std::string_view> keys() const { return std::span(words).subspan(1); }
};

template <class T>
std::optional<T> number(std::string_view text) {
  T value;
  const auto [end, error] = std::from_chars(text.begin(), text.end(), value);
  if (error != std::errc() || end != text.end()) return std::nullopt;
  return value;
}

bool is(std::string_view text, std::string_view upper) {
  const auto same = [](char a, char b) { return (a >= 'a' && a <= 'z' ? a - 32 : a) == b; };
  return std::ranges::equal(text, upper, same);
}

void get(Call call) {
  Place place = call.place();
  if (!place) return call.reply.null();
  call.reply.bulk(place->value);
}

void set(Call call) {
  constexpr std::int64_t longest = 100LL * 365 * 24 * 3600 * 1000;  // milliseconds
  Deadline expires = never;
  bool only_new = false, only_old = false;
  for (std::size_t i = 3; i < call.words.size(); ++i) {
    const bool seconds = is(call.words[i], "EX");
    if (is(call.words[i], "NX")) {
      only_new = true;
    } else if (is(call.words[i], "XX")) {
      only_old = true;
    } else if ((seconds || is(call.words[i], "PX")) && i + 1 < call.words.size()) {
      const std::int64_t unit = seconds ? 1000 : 1;
      const auto count = number<std::int64_t>(call.words[++i]);
      if (!count || *count <= 0 || *count > longest / unit) return call.reply.not_integer();
      expires = call.now + *count * unit * 1ms;
    } else {
      return call.reply.error("syntax error");
    }
  }
  Place place = call.place();
  if (place ? only_new : only_old) return call.reply.null();
  place.make();
  place->value = call.words[2];
  place->expires = expires;
  call.reply.ok();
}

void increment(Call call) {
  Place place = call.place();
  const auto old = place ? number<std::int64_t>(place->value) : 0;
  std::int64_t value = 0;
  if (!old || __builtin_add_overflow(*old, 1, &value)) return call.reply.not_integer();
  place.make();
  place->value = std::to_string(value);
  call.reply.integer(value);
}

void remove(Call call) {
  int count = 0;
  for (const std::string_view key : call.keys()) {
    Place place(key, call.now);
    if (!place) continue;
    place.erase();
    ++count;
  }
  call.reply.integer(count);
}

void exists(Call call) {
  const auto is_there = [&](std::string_view key) { return bool(Place(key, call.now)); };
  call.reply.integer(std::ranges::count_if(call.keys(), is_there));
}

void expire(Call call) {
  const auto seconds = number<std::int32_t>(call.words[2]);
  if (!seconds) return call.reply.not_integer();
  Place place = call.place();
  if (place) place->expires = call.now + std::chrono::seconds(*seconds);
  call.reply.integer(bool(place));
}

void time_to_live(Call call) {
  Place place = call.place();
  if (!place) return call.reply.integer(-2);
  if (place->expires == never) return call.reply.integer(-1);
  call.reply.integer(std::chrono::ceil<std::chrono::seconds>(place->expires - call.now).count());
}

void count_keys(Call call) {
  std::size_t count = 0;
  for (Shard& shard : shards) {
    const std::lock_guard lock(shard.mutex);
    count += shard.entries.size();
  }
  call.reply.integer(static_cast<std::int64_t>(count));
}

void flush(Call call) {
  for (Shard& shard : shards) {
    const std::lock_guard lock(shard.mutex);
    shard.entries.clear();
  }
  call.reply.ok();
}

void ping(Call call) {
  if (call.words.size() == 2) return call.reply.bulk(call.words[1]);
  call.reply.bytes += "+PONG\r\n";
}

void echo(Call call) { call.reply.bulk(call.words[1]); }

// What redis-cli and redis-benchmark ask first.
void nothing(Call call) { call.reply.bytes += "*0\r\n"; }

void quit(Call call) {
  call.reply.ok();
  call.reply.open = false;
}

struct Command {
  std::string_view name;
  std::size_t least, most;  // words, with the name
  void (*run)(Call call);
};
constexpr std::size_t any = -1;
constexpr std::array commands{
    Command{"GET", 2, 2, get},           Command{"SET", 3, any, set},
    Command{"INCR", 2, 2, increment},    Command{"DEL", 2, any, remove},
    Command{"EXISTS", 2, any, exists},   Command{"EXPIRE", 3, 3, expire},
    Command{"TTL", 2, 2, time_to_live},  Command{"PING", 1, 2, ping},
    Command{"ECHO", 2, 2, echo},         Command{"DBSIZE", 1, 1, count_keys},
    Command{"FLUSHALL", 1, any, flush},  Command{"CONFIG", 1, any, nothing},
    Command{"COMMAND", 1, any, nothing}, Command{"QUIT", 1, any, quit}};

void run(Call call) {
  const std::string_view name = call.words[0];
  const auto command = std::ranges::find_if(commands, [&](auto& c) { return is(name, c.name); });
  if (command == commands.end()) {
    return call.reply.error("unknown command '" + escape_for_log(name, 64) + "'");
  }
  if (call.words.size() < command->least || call.words.size() > command->most) {
    return call.reply.error("wrong number of arguments for '" + std::string(command->name) + "'");
  }
  command->run(call);
}

// --- The protocol ---

// Cuts what arrives into commands, where it lies; only one that comes in pieces is copied together.
class CommandReader {
 public:
  enum class Next { command, more, error };

  // `bytes` stay where they are until next() wants more.
  void feed(std::string_view bytes) { in_ = kept_.empty() ? bytes : kept_.append(bytes); }
  // The next command; its words may be none.
  Next next(Words& words) {
    if (in_.size() < needed_) return keep();
    at_ = 0;
    words.clear();
    const Next found = in_[0] == '*' ? read_array(words) : read_inline(words);
    if (found == Next::more) return needed_ > max_command ? Next::error : keep();
    in_.remove_prefix(at_);
    needed_ = 1;
    return found;
  }

 private:
  static constexpr std::size_t max_words = 1 << 20, max_word = 64 << 20, max_line = 64 << 10;
  static constexpr std::size_t max_command = max_word + max_line;

  Next keep() {
    if (in_.empty()) {
      kept_ = std::string();
    } else if (kept_.empty()) {
      kept_ = in_;
    } else {
      kept_.erase(0, kept_.size() - in_.size());
    }
    return Next::more;
  }
  // "*2\r\n$3\r\nGET\r\n$1\r\na\r\n"
  Next read_array(Words& words) {
    std::size_t left = 0, size = 0;
    if (const Next found = read_count('*', max_words, left); found != Next::command) return found;
    for (; left > 0; --left) {
      const Next found = read_count('$', max_word, size);
      if (found == Next::error) return found;
      // What is incomplete is looked at again only when it can be whole: no word takes less than
      // the six bytes of an empty one.
      const std::size_t this_word = found == Next::more ? 6 : size + 2;
      needed_ = std::max(in_.size() + 1, at_ + this_word + 6 * (left - 1));
      if (found == Next::more || in_.size() < at_ + this_word) return Next::more;
      if (in_.substr(at_ + size, 2) != "\r\n") return Next::error;
      words.push_back(in_.substr(at_, size));
      at_ += this_word;
    }
    return Next::command;
  }
  Next read_count(char mark, std::size_t most, std::size_t& count) {
    if (at_ < in_.size() && in_[at_] != mark) return Next::error;
    std::string_view line;
    if (const Next found = read_line(32, line); found != Next::command) return found;
    if (!line.ends_with('\r')) return Next::error;
    const auto value = number<std::size_t>(line.substr(1, line.size() - 2));
    if (!value || *value > most) return Next::error;
    count = *value;
    return Next::command;
  }
  // "GET a\n": as people type it.
  Next read_inline(Words& words) {
    std::string_view line;
    if (const Next found = read_line(max_line, line); found != Next::command) return found;
    if (line.ends_with('\r')) line.remove_suffix(1);
    for (const auto word : std::views::split(line, ' ')) {
      if (!word.empty()) words.emplace_back(word);
    }
    return Next::command;
  }
  // Up to "\n", which is left out.
  Next read_line(std::size_t longest, std::string_view& line) {
    const std::string_view there = in_.substr(at_, longest);
    const std::size_t end = there.find('\n');
    if (end == there.npos) {
      needed_ = in_.size() + 1;
      return there.size() == longest ? Next::error : Next::more;
    }
    line = there.substr(0, end);
    at_ += end + 1;
    return Next::command;
  }

  std::string kept_;  // a command that has begun and not ended
  std::string_view in_;
  std::size_t at_ = 0;      // of in_
  std::size_t needed_ = 1;  // bytes of in_ before it is worth looking at
};

// Runs what has arrived, so that it is answered with one send. True: there is more to run, but
// first the answers have to go.
bool run_batch(CommandReader& reader, TimePoint now, Reply& reply) {
  constexpr std::size_t most = 256 * 1024;
  Words words;
  words.reserve(8);
  while (reply.open && reply.bytes.size() < most) {
    const auto next = reader.next(words);
    if (next == CommandReader::Next::more) return false;
    if (next == CommandReader::Next::error) {
      reply.error("Protocol error");
      reply.open = false;
    } else if (!words.empty()) {
      run({words, now, reply});
    }
  }
  return reply.open;
}

Task<> serve_client(Io& io, Stream stream) {
  CommandReader reader;
  Reply reply;
  while (reply.open) {
    auto chunk = co_await stream.receive();
    if (!chunk || chunk->empty()) co_return;
    reader.feed(chunk->text());
    for (bool more = true; more;) {
      more = run_batch(reader, io.now(), reply);
      if (!more) *chunk = Lease();  // a client that reads slowly holds no buffer of the loop
      if (reply.bytes.empty()) break;
      auto sent = co_await stream.send_all(reply.bytes);
      if (!sent) co_return;
      if (reply.bytes.capacity() > 8192) reply.bytes = std::string();  // not while it is idle
      reply.bytes.clear();
    }
  }
  (void)co_await stream.finish();
}

// Forgets what has expired and is not asked for any more.
Task<> sweep(Background& background) {
  if (background.index() != 0) co_return;
  for (std::size_t next = 0;; ++next) {
    const bool goes_on = co_await background.pause(20ms);
    if (!goes_on) co_return;
    Shard& shard = shards[next % shards.size()];
    const TimePoint now = background.io().now();
    const std::lock_guard lock(shard.mutex);
    std::erase_if(shard.entries, [&](const auto& at) { return at.second.expires <= now; });
  }
}

int main(int argc, char** argv) {
  return serve({.listen = argc > 1 ? argv[1] : "127.0.0.1:6379",
                .model = argc > 2 ? argv[2] : "auto",
                .architecture = argc > 3 ? argv[3] : "",
                .workers = argc > 4 ? static_cast<unsigned>(std::atoi(argv[4])) : 0,
                .one_process = true,
                .background = {sweep}},
               serve_client);
}
