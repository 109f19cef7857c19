// The store's tables, and how a database of an older version is brought to this one.
#include <fmt/format.h>

#include <array>
#include <chat/store/impl.hpp>

namespace polyio::chat {

namespace {

// From version N to N + 1: a database that is in use has gone through these, so that a change is
// one more of them. `messages`: an id is room << 40 | sequence, so that a room's log is a range of
// ids and needs no index. `state`: 1 edited, 2 removed. An edit's text is in the row that it
// changed. `found`: the words of messages and actions as indexed() writes them, under the message's
// id. `rooms.last`: the last number that tidy() has removed. keep_days -1: the room is removed, and
// its log not yet all.
constexpr std::array steps{R"(
CREATE TABLE accounts(
  id INTEGER PRIMARY KEY AUTOINCREMENT CHECK(id < 1 << 32), name TEXT NOT NULL,
  name_key TEXT NOT NULL UNIQUE, password TEXT NOT NULL, admin INTEGER NOT NULL DEFAULT 0,
  disabled INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE rooms(
  id INTEGER PRIMARY KEY AUTOINCREMENT CHECK(id < 1 << 23), name TEXT NOT NULL,
  name_key TEXT UNIQUE, topic TEXT NOT NULL, private INTEGER NOT NULL, read_only INTEGER NOT NULL,
  one INTEGER NOT NULL, other INTEGER NOT NULL, keep_days INTEGER NOT NULL,
  last INTEGER NOT NULL) STRICT;
CREATE UNIQUE INDEX conversations ON rooms(one, other) WHERE one <> 0 AND keep_days >= 0;
INSERT INTO rooms VALUES(1, '#lobby', '#lobby', '', 0, 0, 0, 0, 0, 0);
CREATE TABLE messages(
  id INTEGER PRIMARY KEY, time INTEGER NOT NULL, author INTEGER NOT NULL, name TEXT NOT NULL,
  kind INTEGER NOT NULL, target INTEGER NOT NULL, text TEXT NOT NULL, key TEXT,
  state INTEGER NOT NULL) STRICT;
CREATE UNIQUE INDEX keys ON messages(key, id >> 40) WHERE key IS NOT NULL;
CREATE VIEW entries AS
  SELECT m.id AS id, m.time AS time, m.author AS author, m.name AS name, m.kind AS kind,
    m.target AS target, m.key AS key, m.state AS state, CASE m.kind WHEN 2 THEN
      (SELECT t.text FROM messages t WHERE t.id = ((m.id >> 40) << 40) + m.target)
    ELSE m.text END AS text
  FROM messages m;
CREATE VIRTUAL TABLE found USING fts5(
  text, content='', columnsize=0, tokenize='unicode61 remove_diacritics 2');
CREATE TABLE memberships(
  room INTEGER NOT NULL, account INTEGER NOT NULL, role INTEGER NOT NULL, muted INTEGER NOT NULL,
  banned INTEGER NOT NULL, read INTEGER NOT NULL, PRIMARY KEY(room, account)) STRICT, WITHOUT ROWID;
CREATE TABLE address_bans(
  room INTEGER NOT NULL, address TEXT NOT NULL, PRIMARY KEY(room, address)) STRICT, WITHOUT ROWID;
CREATE TABLE logins(
  token_hash TEXT PRIMARY KEY, account INTEGER NOT NULL, expires INTEGER NOT NULL)
  STRICT, WITHOUT ROWID;
PRAGMA application_id = 1885562996;
)"};

Stored<std::int64_t> number(Connection& connection, std::string_view sql) {
  auto found = connection.rows(sql, [](Query& row) { return row.integer(0); });
  if (!found) return std::unexpected(std::move(found.error()));
  return found->empty() ? 0 : found->front();
}

Stored<void> take_steps(Connection& connection) {
  const auto version = number(connection, "PRAGMA user_version");
  if (!version) return std::unexpected(version.error());
  const auto tables = number(connection, "SELECT count(*) FROM sqlite_schema");
  if (!tables) return std::unexpected(tables.error());
  const auto owner = number(connection, "PRAGMA application_id");
  if (!owner) return std::unexpected(owner.error());
  const auto known = static_cast<std::int64_t>(steps.size());
  if (*tables != 0 && (*owner != 1885562996 || *version < 1))
    return std::unexpected(StoreError{
        StoreError::Kind::other, "the database belongs to another program: name another file"});
  if (*version > known)
    return std::unexpected(StoreError{
        StoreError::Kind::newer,
        fmt::format("the database was made by a newer polyio (its tables have version {}, and this "
                    "one knows {}): start that one, or put a backup in its place",
                    *version, known)});
  if (*version == known) return {};
  for (auto step = static_cast<std::size_t>(*version); step < steps.size(); ++step) {
    if (auto done = connection.script(steps[step]); !done) return done;
  }
  return connection.script(fmt::format("PRAGMA user_version = {}", known).c_str());
}

}  // namespace

Stored<void> migrate(Connection& connection) {
  return connection.transaction([&] { return take_steps(connection); });
}

}  // namespace polyio::chat
