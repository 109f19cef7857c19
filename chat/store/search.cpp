// The index of the words in messages, over FTS5, and searching in it.
#include <unicode/uchar.h>

#include <algorithm>
#include <chat/store/impl.hpp>
#include <functional>
#include <limits>
#include <map>
#include <polyio/base/text.hpp>
#include <tuple>

namespace polyio::chat {

namespace {

constexpr std::size_t most_found = 200, most_rooms = 512, most_query = 512, most_terms = 16;
constexpr int shortest_prefix = 3;  // of a shorter one FTS5 would collect half of all words

constexpr char32_t ideographic_space = 0x3000;

struct Range {
  char32_t first, last;
};
// Scripts without spaces between words: each of their characters is indexed as a word, and several
// are looked for as a phrase.
constexpr Range unspaced[] = {{0x1100, 0x11FF}, {0x3005, 0x3007},   {0x3040, 0x30FF},
                              {0x3100, 0x31FF}, {0x3400, 0x4DBF},   {0x4E00, 0x9FFF},
                              {0xA960, 0xA97F}, {0xAC00, 0xD7FF},   {0xF900, 0xFAFF},
                              {0xFF66, 0xFFDC}, {0x1B000, 0x1B16F}, {0x20000, 0x3FFFF}};

bool is_unspaced(char32_t character) {
  if (character < unspaced[0].first) return false;
  return std::ranges::any_of(unspaced, [&](const Range& range) {
    return character >= range.first && character <= range.last;
  });
}

// Calls `each(character, its bytes)`; what is no UTF-8 comes byte by byte as 0.
template <class Each>
void characters(std::string_view text, Each each) {
  while (!text.empty()) {
    const CodePoint first = first_code_point(text);
    const std::size_t size = std::max<std::size_t>(first.length, 1);
    each(first.length == 0 ? 0 : first.value, text.substr(0, size));
    text.remove_prefix(size);
  }
}

// What is indexed and looked for: `text` with spaces around the characters of these scripts.
std::string indexed(std::string_view text) {
  std::string spaced;
  spaced.reserve(text.size());
  characters(text, [&](char32_t character, std::string_view bytes) {
    if (is_unspaced(character)) {
      spaced.append(" ").append(bytes).append(" ");
    } else {
      spaced.append(character != 0 ? bytes : " ");
    }
  });
  return spaced;
}

// Of the last word in `text`; a mark belongs to its letter.
int characters_of_last_word(std::string_view text) {
  int count = 0;
  characters(text, [&](char32_t character, std::string_view) {
    const std::uint32_t category = U_MASK(u_charType(static_cast<UChar32>(character)));
    const bool letter = category & U_GC_L_MASK, mark = category & U_GC_M_MASK;
    const bool digit = category & U_GC_N_MASK;
    count = is_unspaced(character) ? 0 : letter || digit ? count + 1 : mark ? count : 0;
  });
  return count;
}

struct Expression {
  std::string text;
  bool has_prefix = false;
};

// What FTS5 is asked: each word as a quoted string, so that nothing in it is FTS5's syntax.
Expression match_expression(std::string_view words) {
  std::string text;
  characters(words.substr(0, most_query), [&](char32_t character, std::string_view bytes) {
    text.append(character == ideographic_space ? " " : bytes);
  });
  std::string_view rest = text;
  constexpr std::string_view blank = " \t\r\n\v\f", blank_or_quote = " \t\r\n\v\f\"";
  Expression expression;
  for (std::size_t terms = 0; terms < most_terms; ++terms) {
    rest.remove_prefix(std::min(rest.find_first_not_of(blank), rest.size()));
    if (rest.empty()) break;
    const bool phrase = rest.front() == '"';
    if (phrase) rest.remove_prefix(1);
    std::string_view term =
        rest.substr(0, phrase ? rest.find('"') : rest.find_first_of(blank_or_quote));
    rest.remove_prefix(std::min(term.size() + (phrase ? 1 : 0), rest.size()));
    bool prefix = false;
    if (phrase && rest.starts_with('*')) {
      prefix = true;
      rest.remove_prefix(1);
    }
    while (term.ends_with('*')) {
      prefix = true;
      term.remove_suffix(1);
    }
    prefix = prefix && characters_of_last_word(term) >= shortest_prefix;
    expression.has_prefix |= prefix;
    expression.text.append("\"").append(indexed(term)).append(prefix ? "\"* " : "\" ");
  }
  return expression;
}

// The first row of a room that is not older than `time_ms`. Times in a room rise, but where a clock
// was set back.
Stored<std::int64_t> first_at(Connection& from, RoomId room, std::int64_t time_ms) {
  std::int64_t low = row_id(room, 0), high = row_id(room + 1, 0);
  while (low < high) {
    const std::int64_t middle = low + (high - low) / 2;
    Query row(from, "SELECT id, time FROM messages WHERE id >= ? AND id < ? ORDER BY id LIMIT 1",
              middle, high);
    if (row.next() && row.integer(1) < time_ms) {
      low = row.integer(0) + 1;
    } else {
      high = middle;
    }
    if (auto done = row.done(); !done) return std::unexpected(std::move(done.error()));
  }
  return high;
}

// The newest `count` entries and those of the last one's millisecond.
class Newest {
 public:
  explicit Newest(std::size_t count) : count_(count) {}

  bool takes(std::int64_t time_ms) const {
    if (entries_.size() < count_) return true;
    const std::int64_t last = entries_[count_ - 1].time_ms;
    return time_ms > last || (time_ms == last && entries_.size() < 2 * most_found);
  }
  void add(Entry entry) {
    const auto age = [](const Entry& of) { return std::tuple(of.time_ms, of.room, of.sequence); };
    const auto place = std::ranges::upper_bound(entries_, age(entry), std::ranges::greater(), age);
    entries_.insert(place, std::move(entry));
    while (entries_.size() > count_ && entries_.back().time_ms < entries_[count_ - 1].time_ms)
      entries_.pop_back();
  }
  std::vector<Entry> take() { return std::move(entries_); }

 private:
  std::size_t count_;
  std::vector<Entry> entries_;
};

// Rooms in descending order, each with the row where its older entries end.
using Ends = std::map<RoomId, std::int64_t, std::greater<>>;

// Adds to `newest` what is found in these rooms, whose rows are between the first's and the last's.
Stored<void> search_rooms(Connection& from, const std::string& expression, Ends ends,
                          std::int64_t before_ms, Newest& newest) {
  Query row(from,
            "SELECT rowid FROM found WHERE found MATCH ? AND rowid >= ? AND rowid < ?"
            " ORDER BY rowid DESC",
            expression, row_id(ends.rbegin()->first, 0), ends.begin()->second);
  while (!ends.empty() && row.next()) {
    const std::int64_t id = row.integer(0);
    const auto end = ends.find(id >> sequence_bits);
    if (end == ends.end() || id >= end->second) continue;
    auto entry = from.rows("SELECT * FROM entries WHERE id = ?", read_entry, id);
    if (!entry) return std::unexpected(std::move(entry.error()));
    if (entry->empty() || entry->front().time_ms >= before_ms) continue;
    if (newest.takes(entry->front().time_ms))
      newest.add(std::move(entry->front()));
    else
      ends.erase(end);  // what follows in this room is older
  }
  return row.done();
}

}  // namespace

// In the order of the rows: FTS5 writes what it has gathered when a row is before the last one.
Stored<void> TextChanges::write(Connection& connection) const {
  for (const auto& [id, texts] : changes_) {
    const auto& [was, is] = texts;
    Stored<void> done;
    if (!was.empty())
      done = connection.run("INSERT INTO found(found, rowid, text) VALUES('delete', ?, ?)", id,
                            indexed(was));
    if (done && !is.empty())
      done = connection.run("INSERT INTO found(rowid, text) VALUES(?, ?)", id, indexed(is));
    if (!done) return done;
  }
  return {};
}

Stored<std::vector<Entry>> Store::search(const SearchQuery& query) const {
  const auto [expression, has_prefix] = match_expression(query.words);
  Newest newest(std::clamp<std::size_t>(query.count, 1, most_found));
  if (expression.empty()) return newest.take();
  const std::int64_t before =
      query.before_ms != 0 ? query.before_ms : std::numeric_limits<std::int64_t>::max();
  return impl_->read([&](Connection& from) -> Stored<std::vector<Entry>> {
    Ends all;
    for (const RoomId room : query.rooms) {
      if (all.size() == most_rooms) break;
      if (query.before_ms == 0) {
        all[room] = row_id(room + 1, 0);
        continue;
      }
      const auto end = first_at(from, room, before);
      if (!end) return std::unexpected(end.error());
      all[room] = *end;
    }
    // To find a word FTS5 goes straight to a room's rows. For a prefix it first collects the rows
    // of all words that begin so, in all rooms: that is done once.
    Stored<void> done;
    if (has_prefix && !all.empty()) done = search_rooms(from, expression, all, before, newest);
    for (auto room = all.begin(); done && !has_prefix && room != all.end(); ++room)
      done = search_rooms(from, expression, {*room}, before, newest);
    if (!done) return std::unexpected(std::move(done.error()));
    return newest.take();
  });
}

}  // namespace polyio::chat
