// SQLite for the store: a connection that keeps its prepared statements, and one run of a
// statement. The rule: a failure is a StoreError, and missing memory std::bad_alloc.
#pragma once

#include <sqlite3.h>

#include <chat/store/store.hpp>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace polyio::chat {

class Connection {
 public:
  // `path` empty: in memory. `flags`: of sqlite3_open_v2(). One thread at a time may use it.
  static Stored<std::unique_ptr<Connection>> open(const std::string& path, int flags,
                                                  std::int64_t patience_ms);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  // What the result code of the last call means to people.
  StoreError error(int code) const;
  bool can_write() const { return sqlite3_db_readonly(database_, "main") == 0; }
  std::int64_t last_id() const { return sqlite3_last_insert_rowid(database_); }
  std::int64_t changes() const { return sqlite3_changes64(database_); }

  // Several statements without values.
  Stored<void> script(const char* sql);
  // `sql` lives as long as the connection.
  template <class... Values>
  Stored<void> run(std::string_view sql, const Values&... values);
  // What `read` makes of each row.
  template <class Read, class... Values>
  auto rows(std::string_view sql, Read read, const Values&... values)
      -> Stored<std::vector<decltype(read(std::declval<class Query&>()))>>;
  // Runs `body`, which returns a Stored, in a transaction: all of it is written, or nothing.
  template <class Body>
  auto transaction(Body body) -> decltype(body());

 private:
  friend class Query;
  explicit Connection(std::string path) : path_(std::move(path)) {}
  int prepare(std::string_view sql, sqlite3_stmt*& statement);
  void roll_back() noexcept;  // what is open

  std::string path_;
  sqlite3* database_ = nullptr;
  sqlite3_stmt* rollback_ = nullptr;  // made at the start: undoing needs no memory
  std::unordered_map<std::string_view, sqlite3_stmt*> statements_;
};

// Of one statement no two at a time.
class Query {
 public:
  template <class... Values>
  Query(Connection& connection, std::string_view sql, const Values&... values)
      : connection_(connection), code_(connection.prepare(sql, statement_)) {
    int at = 0;
    (bind(++at, values), ...);
  }
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;
  ~Query() { sqlite3_reset(statement_); }

  // To the next row; false: there is none, or it failed, which done() says.
  bool next();
  Stored<void> done() const;

  std::int64_t integer(int column) const { return sqlite3_column_int64(statement_, column); }
  std::string text(int column) const;

 private:
  void bind(int at, std::int64_t value) { keep(sqlite3_bind_int64(statement_, at, value)); }
  void bind(int at, std::string_view value);
  void keep(int code) {
    if (code_ == SQLITE_OK) code_ = code;
  }

  Connection& connection_;
  sqlite3_stmt* statement_ = nullptr;
  int code_;
};

template <class... Values>
Stored<void> Connection::run(std::string_view sql, const Values&... values) {
  Query query(*this, sql, values...);
  while (query.next()) continue;
  return query.done();
}

template <class Read, class... Values>
auto Connection::rows(std::string_view sql, Read read, const Values&... values)
    -> Stored<std::vector<decltype(read(std::declval<Query&>()))>> {
  std::vector<decltype(read(std::declval<Query&>()))> found;
  Query query(*this, sql, values...);
  while (query.next()) found.push_back(read(query));
  if (auto done = query.done(); !done) return std::unexpected(std::move(done.error()));
  return found;
}

template <class Body>
auto Connection::transaction(Body body) -> decltype(body()) {
  struct Undo {
    Connection& connection;
    explicit Undo(Connection& of) : connection(of) { connection.roll_back(); }
    ~Undo() { connection.roll_back(); }
  } undo(*this);
  if (auto begun = run("BEGIN IMMEDIATE"); !begun) return std::unexpected(std::move(begun.error()));
  auto answer = body();
  if (!answer) return answer;
  if (auto done = run("COMMIT"); !done) return std::unexpected(std::move(done.error()));
  return answer;
}

}  // namespace polyio::chat
