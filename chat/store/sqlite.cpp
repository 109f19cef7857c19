#include <chat/store/sqlite.hpp>

#include <fmt/format.h>

#include <cerrno>
#include <new>
#include <system_error>

namespace polyio::chat {

Stored<std::unique_ptr<Connection>> Connection::open(const std::string& path, int flags,
                                                     std::int64_t patience_ms) {
  std::unique_ptr<Connection> made(new Connection(path));
  int code = sqlite3_open_v2(path.empty() ? ":memory:" : path.c_str(), &made->database_,
                             flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
  if (code == SQLITE_OK)
    code = sqlite3_busy_timeout(made->database_, static_cast<int>(patience_ms));
  if (code == SQLITE_OK) code = made->prepare("ROLLBACK", made->rollback_);
  if (code != SQLITE_OK) return std::unexpected(made->error(code));
  return made;
}

Connection::~Connection() {
  for (const auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  sqlite3_close(database_);
}

StoreError Connection::error(int code) const {
  using enum StoreError::Kind;
  const int system = errno;  // sqlite3_system_errno() knows nothing of a commit
  if ((code & 0xff) == SQLITE_NOMEM || code == SQLITE_IOERR_NOMEM) throw std::bad_alloc();
  const std::string name = path_.empty() ? "the memory" : path_;
  const std::string said = sqlite3_errmsg(database_);
  const auto full_disk = [&] {
    return StoreError{full, fmt::format("the disk is full: make room where {} lies", name)};
  };
  switch (code & 0xff) {
    case SQLITE_FULL: return full_disk();
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return {locked, fmt::format("another process holds {}: end it, or wait", name)};
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
      return {read_only, fmt::format("{} cannot be opened for writing: see whose it and its folder "
                                     "are, and whether the disk is mounted read-only",
                                     name)};
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return {damaged, fmt::format("{0} is damaged ({1}): put a backup in its place, or see what "
                                   "`sqlite3 {0} .recover` can read",
                                   name, said)};
    case SQLITE_CONSTRAINT: return {conflict, fmt::format("it is there already ({})", said)};
    case SQLITE_IOERR:
      if (system == ENOSPC || system == EDQUOT) return full_disk();
      return {other,
              fmt::format("{}: {}: {}", name, said, std::generic_category().message(system))};
    default: return {other, fmt::format("{}: {}", name, said)};
  }
}

int Connection::prepare(std::string_view sql, sqlite3_stmt*& statement) {
  sqlite3_stmt*& kept = statements_[sql];
  int code = SQLITE_OK;
  if (!kept)
    code = sqlite3_prepare_v3(database_, sql.data(), static_cast<int>(sql.size()),
                              SQLITE_PREPARE_PERSISTENT, &kept, nullptr);
  statement = kept;
  return code;
}

Stored<void> Connection::script(const char* sql) {
  errno = 0;
  if (const int code = sqlite3_exec(database_, sql, nullptr, nullptr, nullptr); code != SQLITE_OK)
    return std::unexpected(error(code));
  return {};
}

void Connection::roll_back() noexcept {
  if (sqlite3_get_autocommit(database_)) return;
  sqlite3_step(rollback_);
  sqlite3_reset(rollback_);
}

bool Query::next() {
  if (code_ != SQLITE_OK && code_ != SQLITE_ROW) return false;
  errno = 0;
  code_ = sqlite3_step(statement_);
  return code_ == SQLITE_ROW;
}

Stored<void> Query::done() const {
  if (code_ == SQLITE_OK || code_ == SQLITE_ROW || code_ == SQLITE_DONE) return {};
  return std::unexpected(connection_.error(code_));
}

std::string Query::text(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  if (!text) return {};
  return {text, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

void Query::bind(int at, std::string_view value) {
  keep(sqlite3_bind_text64(statement_, at, value.empty() ? "" : value.data(), value.size(),
                           SQLITE_TRANSIENT, SQLITE_UTF8));
}

}  // namespace polyio::chat
