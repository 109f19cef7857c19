// The rooms' logs: what is written to them, read from them and removed when it is old.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chat/store/impl.hpp>
#include <limits>

namespace polyio::chat {

namespace {

constexpr std::size_t most_history = 1000;
constexpr std::size_t longest_key = 64;
constexpr std::int64_t day_ms = std::int64_t{24} * 60 * 60 * 1000;
constexpr std::int64_t edited = 1, removed = 2;  // bits of `state`

bool is_change(Entry::Kind kind) {
  return kind == Entry::Kind::edit || kind == Entry::Kind::removal;
}
// What has words to be found, and may be edited.
bool is_said(Entry::Kind kind) {
  return kind == Entry::Kind::message || kind == Entry::Kind::action;
}

Entry::Kind kind_of(std::int64_t number) {
  const bool known = number >= 0 && number <= static_cast<int>(Entry::Kind::topic);
  return known ? static_cast<Entry::Kind>(number) : Entry::Kind::message;
}

Stored<void> insert(Connection& to, const Entry& entry) {
  return to.run(
      "INSERT INTO messages(id, time, author, name, kind, target, text, key, state)"
      " VALUES(?, ?, ?, ?, ?, ?, ?, nullif(?, ''), ?)",
      row_id(entry.room, entry.sequence), entry.time_ms, entry.author, entry.name,
      static_cast<std::int64_t>(entry.kind), static_cast<std::int64_t>(entry.target),
      is_change(entry.kind) ? "" : std::string_view(entry.text), entry.key,
      (entry.edited ? edited : 0) | (entry.removed ? removed : 0));
}

// One call of append(): what it has written so far.
class Batch {
 public:
  explicit Batch(Connection& to) : to_(to) {}

  Stored<void> add(Store::Draft& draft) {
    Entry& entry = draft.entry;
    if (entry.key.size() > longest_key) return {};
    auto last = last_of(entry.room);
    if (!last) return std::unexpected(std::move(last.error()));
    if (!*last || **last >= last_sequence) return {};
    if (!entry.key.empty()) {
      Query same(to_, "SELECT * FROM entries WHERE key = ? AND id >> 40 = ?", entry.key,
                 entry.room);
      if (same.next()) {
        entry = read_entry(same);
        draft.repeated = true;
        return {};
      }
      if (auto done = same.done(); !done) return done;
    }
    if (is_change(entry.kind)) {
      auto changed = change(draft);
      if (!changed) return std::unexpected(std::move(changed.error()));
      if (!*changed) return {};
    }
    entry.sequence = **last + 1;
    entry.edited = entry.removed = false;
    if (auto done = insert(to_, entry); !done) return done;
    ++**last;
    if (is_said(entry.kind)) texts_.add(row_id(entry.room, entry.sequence), {}, entry.text);
    return {};
  }

  Stored<void> finish() { return texts_.write(to_); }

 private:
  // The number of the room's last entry; null: there is no such room. Asked once in a batch.
  Stored<Sequence*> last_of(RoomId room) {
    if (const auto known = last_.find(room); known != last_.end()) return &known->second;
    Query row(to_,
              "SELECT max(last, coalesce((SELECT max(id) - ?2 FROM messages"
              " WHERE id BETWEEN ?2 AND ?3), 0)) FROM rooms WHERE id = ?1 AND keep_days >= 0",
              room, row_id(room, 0), row_id(room, last_sequence));
    if (row.next()) return &(last_[room] = static_cast<Sequence>(row.integer(0)));
    if (auto done = row.done(); !done) return std::unexpected(std::move(done.error()));
    return nullptr;
  }

  // Edits or removes what the draft names; false: it may not.
  Stored<bool> change(const Store::Draft& draft) {
    const Entry& entry = draft.entry;
    if (entry.target < 1 || entry.target > last_sequence) return false;
    const std::int64_t id = row_id(entry.room, entry.target);
    const auto found = to_.rows("SELECT * FROM entries WHERE id = ?", read_entry, id);
    if (!found) return std::unexpected(found.error());
    if (found->empty()) return false;
    const Entry& target = found->front();
    if (!is_said(target.kind) || target.removed) return false;
    if (target.author != entry.author && !draft.by_operator) return false;
    const bool removal = entry.kind == Entry::Kind::removal;
    const std::string text = removal ? "" : entry.text;
    auto done = to_.run("UPDATE messages SET text = ?, state = state | ? WHERE id = ?", text,
                        removal ? removed : edited, id);
    if (!done) return std::unexpected(std::move(done.error()));
    texts_.add(id, target.text, text);
    return true;
  }

  Connection& to_;
  std::map<RoomId, Sequence> last_;
  TextChanges texts_;
};

// The oldest entries of a room, `most` at most, as long as they are old; how many it removed.
Stored<std::size_t> remove_old(Connection& from, RoomId room, std::int64_t before_ms,
                               std::int64_t below, std::size_t most) {
  TextChanges texts;
  std::int64_t last = 0;
  std::size_t count = 0;
  {
    Query row(from, "SELECT * FROM entries WHERE id BETWEEN ? AND ? ORDER BY id", row_id(room, 0),
              row_id(room, last_sequence));
    for (; count < most && row.next(); ++count) {
      Entry entry = read_entry(row);
      if (entry.time_ms >= before_ms && static_cast<std::int64_t>(entry.sequence) >= below) break;
      last = row_id(room, entry.sequence);
      if (is_said(entry.kind)) texts.add(last, std::move(entry.text), {});
    }
    if (auto done = row.done(); !done) return std::unexpected(std::move(done.error()));
  }
  if (count == 0) return 0;
  Stored<void> done =
      from.run("DELETE FROM messages WHERE id BETWEEN ? AND ?", row_id(room, 0), last);
  if (done)
    done = from.run("UPDATE rooms SET last = max(last, ?) WHERE id = ?",
                    static_cast<std::int64_t>(sequence_of(last)), room);
  if (done) done = texts.write(from);
  if (!done) return std::unexpected(std::move(done.error()));
  return count;
}

}  // namespace

Entry read_entry(Query& row) {
  const std::int64_t id = row.integer(0), state = row.integer(7);
  return {.room = id >> sequence_bits,
          .sequence = sequence_of(id),
          .time_ms = row.integer(1),
          .author = row.integer(2),
          .name = row.text(3),
          .kind = kind_of(row.integer(4)),
          .target = static_cast<Sequence>(row.integer(5)),
          .text = row.text(8),
          .key = row.text(6),
          .edited = (state & edited) != 0,
          .removed = (state & removed) != 0};
}

Stored<void> Store::append(std::span<Draft* const> drafts) {
  // Nothing is acknowledged before the commit, nor after a failure.
  struct Unless {
    std::span<Draft* const> drafts;
    bool written = false;
    void clear() const {
      for (Draft* draft : drafts) draft->entry.sequence = 0, draft->repeated = false;
    }
    ~Unless() {
      if (!written) clear();
    }
  } unless{drafts};
  unless.clear();
  auto done = impl_->write([&](Connection& to) -> Stored<void> {
    Batch batch(to);
    for (Draft* draft : drafts) {
      if (auto added = batch.add(*draft); !added) return added;
    }
    return batch.finish();
  });
  unless.written = done.has_value();
  return done;
}

Stored<std::size_t> Store::restore(std::span<const Entry> entries) {
  return impl_->write([&](Connection& to) -> Stored<std::size_t> {
    TextChanges texts;
    std::size_t added = 0;
    for (const Entry& entry : entries) {
      const std::int64_t id = row_id(entry.room, entry.sequence);
      const auto there = to.rows("SELECT * FROM entries WHERE id = ?", read_entry, id);
      if (!there) return std::unexpected(there.error());
      if (!there->empty()) {
        const Entry& same = there->front();
        if (same.kind == entry.kind && (is_change(entry.kind) || same.text == entry.text)) continue;
        return std::unexpected(StoreError{
            StoreError::Kind::conflict,
            fmt::format("room {} has another entry {} already", entry.room, entry.sequence)});
      }
      if (auto done = insert(to, entry); !done) return std::unexpected(std::move(done.error()));
      if (is_said(entry.kind)) texts.add(id, {}, entry.text);
      ++added;
    }
    if (auto done = texts.write(to); !done) return std::unexpected(std::move(done.error()));
    return added;
  });
}

Stored<bool> Store::tidy(std::int64_t now_ms, std::size_t most) {
  return impl_->write([&](Connection& from) -> Stored<bool> {
    auto done = from.run(
        "DELETE FROM logins WHERE token_hash IN"
        " (SELECT token_hash FROM logins WHERE expires <= ? LIMIT ?)",
        now_ms, static_cast<std::int64_t>(most));
    if (!done) return std::unexpected(std::move(done.error()));
    std::size_t left = most - static_cast<std::size_t>(from.changes());
    const auto rooms = from.rows(
        "SELECT id, keep_days, coalesce((SELECT max(m.id) - (rooms.id << 40) FROM messages m"
        " WHERE m.id BETWEEN rooms.id << 40 AND (rooms.id + 1 << 40) - 1), 0)"
        " FROM rooms WHERE keep_days <> 0 OR ?",
        [](Query& row) { return std::array{row.integer(0), row.integer(1), row.integer(2)}; },
        impl_->in_memory());
    if (!rooms) return std::unexpected(rooms.error());
    for (const auto& [id, keep_days, last] : *rooms) {
      if (left == 0) return true;
      const std::int64_t before = keep_days == 0  ? 0
                                  : keep_days < 0 ? std::numeric_limits<std::int64_t>::max()
                                                  : now_ms - keep_days * day_ms;
      const std::int64_t below = impl_->in_memory() ? last - impl_->options.memory_entries + 1 : 0;
      const auto count = remove_old(from, id, before, below, left);
      if (!count) return std::unexpected(count.error());
      left -= *count;
      if (keep_days < 0 && left > 0) done = from.run("DELETE FROM rooms WHERE id = ?", id);
      if (!done) return std::unexpected(std::move(done.error()));
    }
    return left == 0;
  });
}

Stored<std::vector<Entry>> Store::history(RoomId room, Sequence after, Sequence before,
                                          std::size_t count) const {
  const auto most = static_cast<std::int64_t>(std::min(count, most_history));
  const std::int64_t low = row_id(room, std::min(after, last_sequence));
  if (before == 0)
    return impl_->read([&](Connection& from) {
      return from.rows("SELECT * FROM entries WHERE id > ? AND id <= ? ORDER BY id LIMIT ?",
                       read_entry, low, row_id(room, last_sequence), most);
    });
  auto found = impl_->read([&](Connection& from) {
    return from.rows("SELECT * FROM entries WHERE id > ? AND id < ? ORDER BY id DESC LIMIT ?",
                     read_entry, low, row_id(room, std::min(before, last_sequence)), most);
  });
  if (found) std::ranges::reverse(*found);
  return found;
}

}  // namespace polyio::chat
