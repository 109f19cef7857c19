// What a Store is made of: one connection that writes, and a few that read.
// The rule: a body given to write() or read() has its connection to itself.
#pragma once

#include <chat/store/sqlite.hpp>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>

namespace polyio::chat {

inline constexpr int sequence_bits = 40;
inline constexpr Sequence last_sequence = (Sequence{1} << sequence_bits) - 1;

// Where a room's entry lies in the table; with sequence 0 before them all.
constexpr std::int64_t row_id(RoomId room, Sequence sequence) {
  return (room << sequence_bits) + static_cast<std::int64_t>(sequence);
}
constexpr Sequence sequence_of(std::int64_t id) {
  return static_cast<Sequence>(id) & last_sequence;
}

// An empty database gets the tables, an older one the steps that it lacks, in one transaction. A
// newer one and another program's are refused.
Stored<void> migrate(Connection& connection);

Entry read_entry(Query& row);  // of the view `entries`

// What a transaction has done to the texts that can be found: each row's before and after.
class TextChanges {
 public:
  void add(std::int64_t id, std::string was, std::string is) {
    const auto [change, fresh] = changes_.try_emplace(id, std::pair(std::move(was), is));
    if (!fresh) change->second.second = std::move(is);
  }
  Stored<void> write(Connection& connection) const;  // to the index

 private:
  std::map<std::int64_t, std::pair<std::string, std::string>> changes_;
};

class Store::Impl {
 public:
  static constexpr std::size_t most_readers = 4;

  explicit Impl(Options of) : options(std::move(of)) { idle_.reserve(most_readers); }

  const Options options;
  std::unique_ptr<Connection> writer;

  bool in_memory() const { return options.path.empty(); }

  // Runs `body(Connection&)` in a transaction.
  template <class Body>
  auto write(Body body) -> decltype(body(std::declval<Connection&>())) {
    const std::lock_guard lock(writing_);
    return write_locked(std::move(body));
  }

  // Runs `body(Connection&)`, which only reads; waits while all readers are in use.
  template <class Body>
  auto read(Body body) const -> decltype(body(std::declval<Connection&>())) {
    if (in_memory()) {
      const std::lock_guard lock(writing_);
      return body(*writer);
    }
    Lease lease(*this);
    if (!lease.connection) {
      auto opened = Connection::open(options.path, SQLITE_OPEN_READONLY, options.patience_ms);
      if (!opened) return std::unexpected(std::move(opened.error()));
      lease.connection = std::move(*opened);
    }
    auto answer = body(*lease.connection);
    if (!answer) lease.connection.reset();  // the next reader begins anew
    return answer;
  }

  Stored<void> check();

 private:
  using Clock = std::chrono::steady_clock;

  struct Lease {
    explicit Lease(const Impl& impl);
    ~Lease();
    const Impl& of;
    std::unique_ptr<Connection> connection;
  };

  template <class Body>
  auto write_locked(Body body) -> decltype(body(*writer)) {
    auto answer = writer->transaction([&] { return body(*writer); });
    last_write_ = Clock::now();
    write_failure_.reset();
    if (!answer && answer.error().kind != StoreError::Kind::conflict &&
        answer.error().kind != StoreError::Kind::refused)
      write_failure_ = answer.error();
    return answer;
  }

  mutable std::mutex writing_;  // the writer's connection
  Clock::time_point last_write_;
  std::optional<StoreError> write_failure_;  // of the last write

  mutable std::mutex reading_;
  mutable std::condition_variable given_back_;
  mutable std::size_t lent_ = 0;
  mutable std::vector<std::unique_ptr<Connection>> idle_;
};

}  // namespace polyio::chat
