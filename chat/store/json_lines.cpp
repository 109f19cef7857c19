#include <chat/store/json_lines.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chat/store/password.hpp>
#include <istream>
#include <map>
#include <nlohmann/json.hpp>
#include <ostream>
#include <polyio/proto/text.hpp>
#include <utility>
#include <variant>
#include "nickname_key.hpp"

namespace polyio::chat {

using nlohmann::json;

namespace {

constexpr std::size_t longest_line = 1 << 20, batch = 500;
constexpr std::int64_t format_version = 1;
using Names = std::array<std::string_view, 5>;
constexpr Names kinds{"message", "action", "edit", "removal", "topic"};
constexpr Names roles{"none", "invited", "member", "operator", "founder"};

// The fields of each kind of line, the one that names the kind first. `with` reads or writes them.
template <class With>
void fields_of(Account& account, With& with) {
  with("account", account.id)("name", account.name)("admin", account.admin)(
      "disabled", account.disabled)("password", account.password);
}
template <class With>
void fields_of(RoomRecord& room, With& with) {
  with("room", room.id)("name", room.name)("topic", room.topic)("private", room.is_private)(
      "read_only", room.read_only)("one", room.one)("other", room.other)(
      "keep_days", room.keep_days)("last", room.last);
}
template <class With>
void fields_of(Membership& member, With& with) {
  with("member", member.account)("room", member.room)("role", member.role, roles)(
      "muted", member.muted)("banned", member.banned)("read", member.read);
}
template <class With>
void fields_of(Store::AddressBan& ban, With& with) {
  with("banned_address", ban.address)("room", ban.room);
}
template <class With>
void fields_of(Entry& entry, With& with) {
  with("entry", entry.sequence)("room", entry.room)("time", entry.time_ms)("author", entry.author)(
      "name", entry.name)("kind", entry.kind, kinds)("target", entry.target)("text", entry.text)(
      "edited", entry.edited)("removed", entry.removed);
}

StoreError refused(std::string text) { return {StoreError::Kind::refused, std::move(text)}; }

// Writes a line; what is 0, empty or false is left out.
class Writer {
 public:
  template <class Value>
  Writer& operator()(const char* name, const Value& value) {
    if (value != Value{}) line_[name] = value;
    return *this;
  }
  template <class Enum>
  Writer& operator()(const char* name, Enum value, const Names& names) {
    return (*this)(name, names[static_cast<std::size_t>(value)]);
  }
  std::string line() const {
    return line_.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
  }

 private:
  nlohmann::ordered_json line_;
};

// Reads a line: an object without objects in it. Fields that are not there are 0, empty or false.
class Reader : public nlohmann::json_sax<json> {
 public:
  Reader& operator()(const char* name, std::int64_t& value) {
    return take(name, value).check(value >= 0, name);
  }
  Reader& operator()(const char* name, Sequence& value) {
    std::int64_t number = 0;
    take(name, number).check(number >= 0 && number < (std::int64_t{1} << 40) - 1, name);
    value = static_cast<Sequence>(number);
    return *this;
  }
  Reader& operator()(const char* name, std::string& value) { return take(name, value); }
  Reader& operator()(const char* name, bool& value) { return take(name, value); }
  template <class Enum>
  Reader& operator()(const char* name, Enum& value, const Names& names) {
    std::string text;
    take(name, text);
    const auto found = std::ranges::find(names, text);
    value = static_cast<Enum>(found == names.end() ? 0 : found - names.begin());
    return check(found != names.end(), name);
  }

  bool has(const char* name) const { return values_.contains(name); }
  // The first mistake is kept.
  Reader& check(bool right, const char* name) {
    if (!right && mistake_.empty())
      mistake_ = fmt::format("\"{}\" has no value that can be right", name);
    return *this;
  }
  // When all are taken.
  Stored<void> result() const {
    if (!mistake_.empty()) return std::unexpected(refused(mistake_));
    if (!values_.empty())
      return std::unexpected(refused("there is a field that is not known here"));
    return {};
  }

  bool null() override { return false; }
  bool boolean(bool value) override { return keep(value); }
  bool number_integer(number_integer_t value) override { return keep(value); }
  bool number_unsigned(number_unsigned_t value) override {
    return std::in_range<std::int64_t>(value) && keep(static_cast<std::int64_t>(value));
  }
  bool number_float(number_float_t, const string_t&) override { return false; }
  bool binary(binary_t&) override { return false; }
  bool string(string_t& value) override {
    std::string line = value;
    std::ranges::replace(line, '\n', ' ');
    return proto::check_text(line) && keep(std::move(value));
  }
  bool start_object(std::size_t) override { return !std::exchange(open_, true); }
  bool end_object() override { return true; }
  bool start_array(std::size_t) override { return false; }
  bool end_array() override { return false; }
  bool key(string_t& name) override {
    key_ = std::move(name);
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const json::exception&) override {
    return false;
  }

 private:
  using Value = std::variant<std::int64_t, std::string, bool>;

  bool keep(Value value) {
    return open_ && values_.size() < 32 && values_.emplace(key_, std::move(value)).second;
  }
  template <class T>
  Reader& take(const char* name, T& value) {
    auto node = values_.extract(name);
    if (node.empty()) return *this;
    T* const found = std::get_if<T>(&node.mapped());
    if (found) value = std::move(*found);
    return check(found, name);
  }

  std::map<std::string, Value> values_;
  std::string key_, mistake_;
  bool open_ = false;
};

// What a room is found by: its name's key, or its two accounts.
std::string key_of(const RoomRecord& room) {
  if (!room.name.empty()) return nickname_key(room.name);
  return fmt::format(" {} {}", std::min(room.one, room.other), std::max(room.one, room.other));
}

class Import {
 public:
  explicit Import(Store& store) : store_(store) {}

  Stored<void> begin() {
    const auto accounts = store_.accounts();
    if (!accounts) return std::unexpected(accounts.error());
    for (const Account& account : *accounts) names_[nickname_key(account.name)] = account.id;
    const auto rooms = store_.rooms();
    if (!rooms) return std::unexpected(rooms.error());
    for (const RoomRecord& room : *rooms) named_rooms_[key_of(room)] = room.id;
    return {};
  }

  Stored<void> line(std::string_view text) {
    Reader reader;
    if (!json::sax_parse(text, &reader))
      return std::unexpected(refused("no JSON object of texts, whole numbers and flags"));
    if (!std::exchange(begun_, true)) {
      std::int64_t version = 0;
      reader("polyio_chat", version);
      if (version < 1) return std::unexpected(refused("no export of polyio chat"));
      if (version == format_version) return reader.result();
      return std::unexpected(StoreError{StoreError::Kind::newer,
                                        "an export of a newer polyio: import it with that one"});
    }
    if (reader.has("entry")) return entry(reader);
    if (reader.has("account")) return account(reader);
    if (reader.has("member")) return member(reader);
    if (reader.has("banned_address")) return ban(reader);
    if (reader.has("room")) return room(reader);
    return std::unexpected(refused("neither account, room, member, banned_address nor entry"));
  }

  // Writes the entries that are waiting.
  Stored<void> flush() {
    const auto added = store_.restore(entries_);
    if (!added) return std::unexpected(added.error());
    imported.entries += *added;
    entries_.clear();
    waiting_bytes_ = 0;
    return {};
  }

  Imported imported;

 private:
  // The number here of an account there; 0: it has none. A guest keeps its own.
  PersonId here(PersonId there) const {
    const auto known = accounts_.find(there);
    return there >= first_guest ? there : known == accounts_.end() ? 0 : known->second;
  }
  void put_room(Reader& reader, RoomId& room) const {
    const auto known = rooms_.find(room);
    reader.check(known != rooms_.end(), "room");
    if (known != rooms_.end()) room = known->second;
  }

  Stored<void> account(Reader& reader) {
    Account account;
    fields_of(account, reader);
    reader.check(account.id < first_guest, "account")
        .check(check_nickname(account.name).has_value(), "name")
        .check(account.password.empty() || is_password_hash(account.password), "password");
    if (auto right = reader.result(); !right) return right;
    const PersonId there = account.id;
    const std::string key = nickname_key(account.name);
    if (const auto known = names_.find(key); known != names_.end()) {
      accounts_[there] = known->second;
      return {};
    }
    const auto added = store_.add_account(account.name, key, account.password);
    if (!added) return std::unexpected(added.error());
    accounts_[there] = names_[key] = account.id = *added;
    ++imported.accounts;
    return store_.change_account(account, key);
  }

  Stored<void> room(Reader& reader) {
    RoomRecord room;
    fields_of(room, reader);
    room.one = here(room.one);
    room.other = here(room.other);
    const bool named = room.name.starts_with('#') && check_nickname(room.name);
    reader.check(room.name.empty() ? room.one != 0 && room.other != 0 : named, "name")
        .check(room.id != 0, "room")
        .check(room.keep_days <= longest_keep_days, "keep_days");
    if (auto right = reader.result(); !right) return right;
    const std::string key = key_of(room);
    if (const auto known = named_rooms_.find(key); known != named_rooms_.end()) {
      rooms_[room.id] = known->second;
      return {};
    }
    RoomRecord made = room;
    made.id = 0;  // a number that is free here
    const auto added = store_.add_room(made, room.name.empty() ? "" : key);
    if (!added) return std::unexpected(added.error());
    rooms_[room.id] = named_rooms_[key] = *added;
    ++imported.rooms;
    return {};
  }

  Stored<void> member(Reader& reader) {
    Membership member;
    fields_of(member, reader);
    put_room(reader, member.room);
    member.account = here(member.account);
    auto right = reader.check(member.account != 0, "member").result();
    return right ? store_.set_membership(member) : right;
  }

  Stored<void> ban(Reader& reader) {
    Store::AddressBan ban;
    fields_of(ban, reader);
    put_room(reader, ban.room);
    auto right = reader.result();
    return right ? store_.ban_address(ban.room, ban.address, true) : right;
  }

  Stored<void> entry(Reader& reader) {
    Entry entry;
    entry.room = 0;
    fields_of(entry, reader);
    put_room(reader, entry.room);
    entry.author = here(entry.author);
    reader.check(entry.sequence != 0 && entry.room != 0, "entry");
    if (auto right = reader.result(); !right) return right;
    waiting_bytes_ += entry.text.size();
    entries_.push_back(std::move(entry));
    const bool more = entries_.size() < batch && waiting_bytes_ < longest_line;
    return more ? Stored<void>() : flush();
  }

  Store& store_;
  bool begun_ = false;
  std::map<std::string, PersonId> names_;  // what is here
  std::map<std::string, RoomId> named_rooms_;
  std::map<PersonId, PersonId> accounts_;   // from those of the file to those here
  std::map<RoomId, RoomId> rooms_{{0, 0}};  // 0: everywhere
  std::vector<Entry> entries_;
  std::size_t waiting_bytes_ = 0;
};

}  // namespace

Stored<std::uint64_t> export_lines(const Store& store, std::ostream& to,
                                   const ExportOptions& options) {
  std::uint64_t lines = 0;
  const auto write = [&](auto record) {
    Writer writer;
    fields_of(record, writer);
    to << writer.line();
    ++lines;
  };
  const auto wanted = [&](RoomId room) {
    return options.rooms.empty() || std::ranges::find(options.rooms, room) != options.rooms.end();
  };
  auto accounts = store.accounts();
  if (!accounts) return std::unexpected(accounts.error());
  const auto rooms = store.rooms();
  if (!rooms) return std::unexpected(rooms.error());
  const auto memberships = store.memberships();
  if (!memberships) return std::unexpected(memberships.error());
  const auto bans = store.address_bans();
  if (!bans) return std::unexpected(bans.error());
  to << fmt::format("{{\"polyio_chat\":{}}}\n", format_version);
  ++lines;
  for (Account& account : *accounts) {
    if (!options.passwords) account.password.clear();
    write(account);
  }
  for (const RoomRecord& room : *rooms)
    if (wanted(room.id)) write(room);
  for (const Membership& member : *memberships)
    if (wanted(member.room)) write(member);
  for (const Store::AddressBan& ban : *bans)
    if (wanted(ban.room)) write(ban);
  for (const RoomRecord& room : *rooms) {
    // What is written meanwhile is left for another export.
    for (Sequence after = 0; wanted(room.id) && after < room.last && to;) {
      auto page = store.history(room.id, after, 0, batch);
      if (!page) return std::unexpected(page.error());
      if (page->empty()) break;
      after = page->back().sequence;
      for (Entry& entry : *page) {
        if (entry.kind == Entry::Kind::edit) entry.text.clear();  // it is in what it changed
        if (entry.sequence <= room.last) write(entry);
      }
    }
  }
  if (to.flush()) return lines;
  return std::unexpected(
      StoreError{StoreError::Kind::full, "the export cannot be written: make room where it goes"});
}

Stored<Imported> import_lines(Store& store, std::istream& from) {
  Import import(store);
  Stored<void> done = import.begin();
  std::uint64_t number = 0;
  std::string line(longest_line, '\0');
  while (done && from.getline(line.data(), static_cast<std::streamsize>(line.size()))) {
    ++number;
    const std::string_view text(line.data());
    if (!text.empty()) done = import.line(text);
  }
  if (done && !from.eof()) {
    ++number;
    done = std::unexpected(refused(fmt::format("longer than {} bytes", longest_line - 1)));
  }
  if (done && number == 0) done = std::unexpected(refused("no export of polyio chat: it is empty"));
  // What came before a line that is wrong is written.
  const auto rest = import.flush();
  if (done) done = rest;
  if (done) return import.imported;
  return std::unexpected(
      StoreError{done.error().kind, fmt::format("line {}: {}", number, done.error().text)});
}

}  // namespace polyio::chat
