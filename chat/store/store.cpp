// Every commit is synchronised to the disk (synchronous=FULL): a batch costs one fdatasync(2),
// which all its messages share, and nothing that was acknowledged is lost when the power fails.
// With NORMAL only the death of the process would be covered.
#include <chat/store/store.hpp>

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <chat/store/impl.hpp>
#include <filesystem>

namespace polyio::chat {

namespace {

constexpr std::int64_t checked_pages = 4096;  // 16 MiB: below that a check at the start is quick

// SQLite makes files for everyone to read; these are there before it.
void make_private(const std::string& path) { (void)::mknod(path.c_str(), S_IFREG | 0600, 0); }

// Damage is found at the start where that is quick, else where it is met.
Stored<void> check_pages(Connection& connection) {
  const auto pages = connection.rows("SELECT page_count FROM pragma_page_count",
                                     [](Query& row) { return row.integer(0); });
  if (!pages) return std::unexpected(pages.error());
  if (pages->front() > checked_pages) return {};
  const auto found = connection.rows("SELECT * FROM pragma_quick_check(1)",
                                     [](Query& row) { return row.text(0); });
  if (!found) return std::unexpected(found.error());
  return found->front() == "ok" ? Stored<void>()
                                : std::unexpected(connection.error(SQLITE_CORRUPT));
}

Stored<void> one_row(Connection& connection, Stored<void> done, const char* missing) {
  if (!done || connection.changes() > 0) return done;
  return std::unexpected(StoreError{StoreError::Kind::refused, missing});
}

RoomRecord read_room(Query& row) {
  return {.id = row.integer(0),
          .name = row.text(1),
          .topic = row.text(2),
          .is_private = row.integer(3) != 0,
          .read_only = row.integer(4) != 0,
          .one = row.integer(5),
          .other = row.integer(6),
          .keep_days = row.integer(7),
          .last = static_cast<Sequence>(row.integer(8))};
}

Account read_account(Query& row) {
  return {row.integer(0), row.text(1), row.text(2), row.integer(3) != 0, row.integer(4) != 0};
}

template <class T>
Stored<std::optional<T>> first(Stored<std::vector<T>> found) {
  if (!found) return std::unexpected(std::move(found.error()));
  if (found->empty()) return std::nullopt;
  return std::move(found->front());
}

}  // namespace

Store::Impl::Lease::Lease(const Impl& impl) : of(impl) {
  std::unique_lock lock(of.reading_);
  of.given_back_.wait(lock, [this] { return of.lent_ < most_readers; });
  ++of.lent_;
  if (of.idle_.empty()) return;
  connection = std::move(of.idle_.back());
  of.idle_.pop_back();
}

Store::Impl::Lease::~Lease() {
  const std::lock_guard lock(of.reading_);
  --of.lent_;
  if (connection) of.idle_.push_back(std::move(connection));  // there is room: no more are lent
  of.given_back_.notify_one();
}

Store::Store(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Store::~Store() = default;

Stored<std::unique_ptr<Store>> Store::open(const Options& options) {
  auto impl = std::make_unique<Impl>(options);
  if (!impl->in_memory()) make_private(options.path);
  auto opened = Connection::open(options.path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                                 options.patience_ms);
  if (!opened) return std::unexpected(std::move(opened.error()));
  impl->writer = std::move(*opened);
  Connection& connection = *impl->writer;
  if (!connection.can_write()) return std::unexpected(connection.error(SQLITE_READONLY));
  Stored<void> ready = connection.script("PRAGMA cell_size_check = ON; PRAGMA synchronous = FULL");
  if (ready) ready = migrate(connection);
  if (ready)
    ready = connection.script("PRAGMA journal_mode = WAL; PRAGMA journal_size_limit = 67108864");
  if (ready) ready = check_pages(connection);
  if (!ready) return std::unexpected(std::move(ready.error()));
  return std::unique_ptr<Store>(new Store(std::move(impl)));
}

Stored<PersonId> Store::add_account(const std::string& name, const std::string& name_key,
                                    const std::string& password) {
  return impl_->write([&](Connection& to) -> Stored<PersonId> {
    auto done = to.run("INSERT INTO accounts(name, name_key, password) VALUES(?, ?, ?)", name,
                       name_key, password);
    if (!done) return std::unexpected(std::move(done.error()));
    return to.last_id();
  });
}

Stored<void> Store::change_account(const Account& account, const std::string& name_key) {
  return impl_->write([&](Connection& to) {
    return one_row(to,
                   to.run("UPDATE accounts SET name = ?, name_key = ?, password = ?, admin = ?,"
                          " disabled = ? WHERE id = ?",
                          account.name, name_key, account.password, account.admin, account.disabled,
                          account.id),
                   "there is no such account");
  });
}

Stored<void> Store::remove_account(PersonId id) {
  return impl_->write([&](Connection& to) -> Stored<void> {
    if (auto done = to.run("DELETE FROM memberships WHERE account = ?", id); !done) return done;
    if (auto done = to.run("DELETE FROM logins WHERE account = ?", id); !done) return done;
    return one_row(to, to.run("DELETE FROM accounts WHERE id = ?", id), "there is no such account");
  });
}

Stored<RoomId> Store::add_room(const RoomRecord& room, const std::string& name_key) {
  return impl_->write([&](Connection& to) -> Stored<RoomId> {
    auto done = to.run(
        "INSERT INTO rooms(id, name, name_key, topic, private, read_only, one, other, keep_days,"
        " last) VALUES(nullif(?, 0), ?, nullif(?, ''), ?, ?, ?, ?, ?, ?, ?)",
        room.id, room.name, name_key, room.topic, room.is_private, room.read_only,
        std::min(room.one, room.other), std::max(room.one, room.other), room.keep_days,
        static_cast<std::int64_t>(room.last));
    if (!done) return std::unexpected(std::move(done.error()));
    return to.last_id();
  });
}

Stored<RoomId> Store::next_room() const {
  const auto found = impl_->read([](Connection& from) {
    return from.rows("SELECT 1 + seq FROM sqlite_sequence WHERE name = 'rooms'",
                     [](Query& row) { return RoomId{row.integer(0)}; });
  });
  if (!found) return std::unexpected(found.error());
  return found->empty() ? lobby_id + 1 : found->front();
}

Stored<void> Store::change_room(const RoomRecord& room) {
  return impl_->write([&](Connection& to) {
    return one_row(to,
                   to.run("UPDATE rooms SET topic = ?, private = ?, read_only = ?, keep_days = ?"
                          " WHERE id = ? AND keep_days >= 0",
                          room.topic, room.is_private, room.read_only, room.keep_days, room.id),
                   "there is no such room");
  });
}

Stored<void> Store::remove_room(RoomId id) {
  return impl_->write([&](Connection& to) -> Stored<void> {
    if (auto done = to.run("DELETE FROM memberships WHERE room = ?", id); !done) return done;
    if (auto done = to.run("DELETE FROM address_bans WHERE room = ?", id); !done) return done;
    return one_row(to,
                   to.run("UPDATE rooms SET name_key = NULL, keep_days = -1"
                          " WHERE id = ? AND keep_days >= 0",
                          id),
                   "there is no such room");
  });
}

Stored<void> Store::set_memberships(std::span<const Membership> memberships) {
  return impl_->write([&](Connection& to) -> Stored<void> {
    for (const Membership& one : memberships) {
      const bool nothing = one.role == Role::none && !one.muted && !one.banned && one.read == 0;
      auto done = nothing ? to.run("DELETE FROM memberships WHERE room = ? AND account = ?",
                                   one.room, one.account)
                          : to.run("INSERT OR REPLACE INTO memberships VALUES(?, ?, ?, ?, ?, ?)",
                                   one.room, one.account, static_cast<std::int64_t>(one.role),
                                   one.muted, one.banned, static_cast<std::int64_t>(one.read));
      if (!done) return done;
    }
    return {};
  });
}

Stored<void> Store::ban_address(RoomId room, const std::string& address, bool banned) {
  return impl_->write([&](Connection& to) {
    return to.run(banned ? "INSERT OR IGNORE INTO address_bans VALUES(?, ?)"
                         : "DELETE FROM address_bans WHERE room = ? AND address = ?",
                  room, address);
  });
}

Stored<void> Store::add_login(const LoginRecord& login) {
  return impl_->write([&](Connection& to) {
    return to.run("INSERT OR REPLACE INTO logins VALUES(?, ?, ?)", login.token_hash, login.account,
                  login.expires_ms);
  });
}

Stored<void> Store::remove_login(const std::string& token_hash) {
  return impl_->write([&](Connection& to) {
    return to.run("DELETE FROM logins WHERE token_hash = ?", token_hash);
  });
}

Stored<void> Store::remove_logins(PersonId account) {
  return impl_->write(
      [&](Connection& to) { return to.run("DELETE FROM logins WHERE account = ?", account); });
}

Stored<std::optional<Account>> Store::account(PersonId id) const {
  auto found = impl_->read([&](Connection& from) {
    return from.rows("SELECT id, name, password, admin, disabled FROM accounts WHERE id = ?",
                     read_account, id);
  });
  return first(std::move(found));
}

Stored<std::optional<LoginRecord>> Store::login(const std::string& token_hash) const {
  auto found = impl_->read([&](Connection& from) {
    return from.rows(
        "SELECT token_hash, account, expires FROM logins WHERE token_hash = ?",
        [](Query& row) { return LoginRecord{row.text(0), row.integer(1), row.integer(2)}; },
        token_hash);
  });
  return first(std::move(found));
}

Stored<std::vector<Account>> Store::accounts() const {
  return impl_->read([](Connection& from) {
    return from.rows("SELECT id, name, password, admin, disabled FROM accounts ORDER BY id",
                     read_account);
  });
}

Stored<std::vector<RoomRecord>> Store::rooms() const {
  return impl_->read([](Connection& from) {
    return from.rows(
        "SELECT id, name, topic, private, read_only, one, other, keep_days, max(last,"
        " coalesce((SELECT max(m.id) - (rooms.id << 40) FROM messages m"
        " WHERE m.id BETWEEN rooms.id << 40 AND (rooms.id + 1 << 40) - 1), 0))"
        " FROM rooms WHERE keep_days >= 0 ORDER BY id",
        read_room);
  });
}

Stored<std::vector<Membership>> Store::memberships() const {
  return impl_->read([](Connection& from) {
    return from.rows("SELECT room, account, role, muted, banned, read FROM memberships",
                     [](Query& row) {
                       return Membership{row.integer(0),
                                         row.integer(1),
                                         static_cast<Role>(std::clamp<std::int64_t>(
                                             row.integer(2), 0, static_cast<int>(Role::founder))),
                                         row.integer(3) != 0,
                                         row.integer(4) != 0,
                                         static_cast<Sequence>(row.integer(5))};
                     });
  });
}

Stored<std::vector<Store::AddressBan>> Store::address_bans() const {
  return impl_->read([](Connection& from) {
    return from.rows("SELECT room, address FROM address_bans",
                     [](Query& row) { return AddressBan{row.integer(0), row.text(1)}; });
  });
}

Stored<void> Store::backup(const std::string& path) const {
  std::error_code ignored;
  if (std::filesystem::exists(path, ignored))
    return std::unexpected(StoreError{StoreError::Kind::conflict,
                                      fmt::format("{} is there already: name another", path)});
  // Under its name only when it is whole.
  const std::string part = path + ".part";
  std::filesystem::remove(part, ignored);
  make_private(part);
  auto done = impl_->read([&](Connection& from) { return from.run("VACUUM INTO ?", part); });
  if (done) {
    std::error_code failed;
    std::filesystem::rename(part, path, failed);
    if (failed)
      done = std::unexpected(
          StoreError{StoreError::Kind::other, fmt::format("{}: {}", path, failed.message())});
  }
  if (!done) std::filesystem::remove(part, ignored);
  return done;
}

Stored<void> Store::check() const { return impl_->check(); }

Stored<void> Store::Impl::check() {
  const std::lock_guard lock(writing_);
  if (!in_memory() && Clock::now() - last_write_ >= std::chrono::seconds(1))
    return write_locked(
        [](Connection& to) { return to.run("UPDATE rooms SET last = last WHERE id = 1"); });
  return write_failure_ ? std::unexpected(*write_failure_) : Stored<void>();
}

}  // namespace polyio::chat
