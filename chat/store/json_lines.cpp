#include <chat/store/json_lines.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chat/nickname_key.hpp>
#include <chat/store/password.hpp>
#include <istream>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <ostream>
#include <polyio/proto/text.hpp>
#include <utility>
#include <variant>

namespace polyio::chat {

using nlohmann::json;

namespace {

constexpr std::size_t longest_line = 1 << 20, batch = 500;
constexpr std::int64_t format_version = 1;
constexpr std::array<std::string_view, 5> kinds{"message", "action", "edit", "removal", "topic"};
constexpr std::array<std::string_view, 5> roles{"none", "invited", "member", "operator", "founder"};

StoreError refused(std::string text) { return {StoreError::Kind::refused, std::move(text)}; }

// The fields of one line: an object without objects in it.
class Fields : public nlohmann::json_sax<json> {
 public:
  // These take a field out; one that is not there is 0, empty or false. The first mistake is kept.
  std::int64_t number(const std::string& name, std::int64_t most) {
    const auto found = take<std::int64_t>(name, 0);
    if (found < 0 || found > most) wrong(name);
    return found;
  }
  Sequence sequence(const std::string& name) {
    return static_cast<Sequence>(number(name, (std::int64_t{1} << 40) - 2));
  }
  std::string text(const std::string& name) { return take<std::string>(name, {}); }
  bool flag(const std::string& name) { return take<bool>(name, false); }
  template <class Enum, std::size_t count>
  Enum choice(const std::string& name, const std::array<std::string_view, count>& choices) {
    const auto found = std::ranges::find(choices, take<std::string>(name, {}));
    if (found == choices.end()) wrong(name);
    return static_cast<Enum>(found - choices.begin());
  }
  bool has(const std::string& name) const { return values_.contains(name); }
  void wrong(const std::string& name) {
    if (mistake_.empty()) mistake_ = fmt::format("\"{}\" has no value that can be right", name);
  }
  // What is wrong, when all are taken; empty: nothing.
  std::string mistake() const {
    if (!mistake_.empty() || values_.empty()) return mistake_;
    return "there is a field that is not known here";
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
  T take(const std::string& name, T otherwise) {
    const auto node = values_.extract(name);
    if (node.empty()) return otherwise;
    if (T* value = std::get_if<T>(&node.mapped())) return std::move(*value);
    wrong(name);
    return otherwise;
  }

  std::map<std::string, Value> values_;
  std::string key_, mistake_;
  bool open_ = false;
};

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
    Fields fields;
    if (!json::sax_parse(text, &fields))
      return std::unexpected(refused("no JSON object of texts, whole numbers and flags"));
    if (!std::exchange(begun_, true)) {
      const auto version = fields.number("polyio_chat", 1'000'000);
      if (version == format_version) return settled(fields);
      return std::unexpected(
          version == 0
              ? refused("no export of polyio chat")
              : StoreError{StoreError::Kind::newer, "an export of a newer polyio: use that one"});
    }
    if (fields.has("entry")) return entry(fields);
    if (fields.has("account")) return account(fields);
    if (fields.has("member")) return member(fields);
    if (fields.has("banned_address")) return ban(fields);
    if (fields.has("room")) return room(fields);
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
  static std::string key_of(const RoomRecord& room) {
    if (!room.name.empty()) return nickname_key(room.name);
    return fmt::format(" {} {}", std::min(room.one, room.other), std::max(room.one, room.other));
  }
  static Stored<void> settled(const Fields& fields) {
    if (std::string mistake = fields.mistake(); !mistake.empty())
      return std::unexpected(refused(std::move(mistake)));
    return {};
  }
  // The number here of an account there; a guest keeps its own.
  PersonId person(Fields& fields, const std::string& name) const {
    const PersonId id = fields.number(name, std::numeric_limits<std::int64_t>::max());
    if (id >= first_guest) return id;
    const auto known = accounts_.find(id);
    return known == accounts_.end() ? 0 : known->second;
  }
  RoomId room_of(Fields& fields) const {
    const auto known = rooms_.find(fields.number("room", std::numeric_limits<RoomId>::max()));
    if (known == rooms_.end()) fields.wrong("room");
    return known == rooms_.end() ? 0 : known->second;
  }

  Stored<void> account(Fields& fields) {
    const PersonId there = fields.number("account", first_guest - 1);
    Account account{.name = fields.text("name"),
                    .password = fields.text("password"),
                    .admin = fields.flag("admin"),
                    .disabled = fields.flag("disabled")};
    if (!proto::check_nickname(account.name)) fields.wrong("name");
    if (!account.password.empty() && !is_password_hash(account.password)) fields.wrong("password");
    if (auto right = settled(fields); !right) return right;
    const std::string key = nickname_key(account.name);
    PersonId& here = names_[key];
    if (here == 0) {
      const auto added = store_.add_account(account.name, key, account.password);
      if (!added) return std::unexpected(added.error());
      account.id = here = *added;
      if (auto done = store_.change_account(account, key); !done) return done;
      ++imported.accounts;
    }
    accounts_[there] = here;
    return {};
  }

  Stored<void> room(Fields& fields) {
    const RoomId there = fields.number("room", (RoomId{1} << 23) - 1);
    const RoomRecord room{.name = fields.text("name"),
                          .topic = fields.text("topic"),
                          .is_private = fields.flag("private"),
                          .read_only = fields.flag("read_only"),
                          .one = person(fields, "one"),
                          .other = person(fields, "other"),
                          .keep_days = fields.number("keep_days", 1'000'000),
                          .last = fields.sequence("last")};
    const bool named = room.name.starts_with('#') && proto::check_nickname(room.name);
    if (room.name.empty() ? room.one == 0 || room.other == 0 : !named) fields.wrong("name");
    if (auto right = settled(fields); !right) return right;
    RoomId& here = named_rooms_[key_of(room)];
    if (here == 0) {
      const auto added = store_.add_room(room, room.name.empty() ? "" : key_of(room));
      if (!added) return std::unexpected(added.error());
      here = *added;
      ++imported.rooms;
    }
    rooms_[there] = here;
    return {};
  }

  Stored<void> member(Fields& fields) {
    const Membership member{.room = room_of(fields),
                            .account = person(fields, "member"),
                            .role = fields.choice<Role>("role", roles),
                            .muted = fields.flag("muted"),
                            .banned = fields.flag("banned"),
                            .read = fields.sequence("read")};
    if (member.account == 0) fields.wrong("member");
    if (auto right = settled(fields); !right) return right;
    return store_.set_membership(member);
  }

  Stored<void> ban(Fields& fields) {
    const std::string address = fields.text("banned_address");
    const RoomId room = room_of(fields);
    if (auto right = settled(fields); !right) return right;
    return store_.ban_address(room, address, true);
  }

  Stored<void> entry(Fields& fields) {
    Entry entry{.room = room_of(fields),
                .sequence = fields.sequence("entry"),
                .time_ms = fields.number("time", std::numeric_limits<std::int64_t>::max()),
                .author = person(fields, "author"),
                .name = fields.text("name"),
                .kind = fields.choice<Entry::Kind>("kind", kinds),
                .target = fields.sequence("target"),
                .text = fields.text("text"),
                .edited = fields.flag("edited"),
                .removed = fields.flag("removed")};
    if (entry.sequence == 0 || entry.room == 0) fields.wrong("entry");
    if (auto right = settled(fields); !right) return right;
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

using Object = nlohmann::ordered_json;

Object object_of(const Entry& entry) {
  Object line{{"entry", entry.sequence}, {"room", entry.room},
              {"time", entry.time_ms},   {"author", entry.author},
              {"name", entry.name},      {"kind", kinds[static_cast<std::size_t>(entry.kind)]}};
  if (entry.target != 0) line["target"] = entry.target;
  // What an edit wrote is in the message that it changed.
  if (entry.kind != Entry::Kind::edit) line["text"] = entry.text;
  if (entry.edited) line["edited"] = true;
  if (entry.removed) line["removed"] = true;
  return line;
}

class Export {
 public:
  Export(const Store& store, std::ostream& to, const ExportOptions& options)
      : store_(store), to_(to), options_(options) {}

  Stored<std::uint64_t> all() {
    const auto accounts = store_.accounts();
    if (!accounts) return std::unexpected(accounts.error());
    const auto rooms = store_.rooms();
    if (!rooms) return std::unexpected(rooms.error());
    const auto memberships = store_.memberships();
    if (!memberships) return std::unexpected(memberships.error());
    const auto bans = store_.address_bans();
    if (!bans) return std::unexpected(bans.error());
    write({{"polyio_chat", format_version}});
    for (const Account& account : *accounts)
      write({{"account", account.id},
             {"name", account.name},
             {"admin", account.admin},
             {"disabled", account.disabled},
             {"password", options_.passwords ? account.password : ""}});
    for (const RoomRecord& room : *rooms)
      if (wanted(room.id))
        write({{"room", room.id},
               {"name", room.name},
               {"topic", room.topic},
               {"private", room.is_private},
               {"read_only", room.read_only},
               {"one", room.one},
               {"other", room.other},
               {"keep_days", room.keep_days},
               {"last", room.last}});
    for (const Membership& member : *memberships)
      if (wanted(member.room))
        write({{"member", member.account},
               {"room", member.room},
               {"role", roles[static_cast<std::size_t>(member.role)]},
               {"muted", member.muted},
               {"banned", member.banned},
               {"read", member.read}});
    for (const Store::AddressBan& ban : *bans)
      if (wanted(ban.room)) write({{"banned_address", ban.address}, {"room", ban.room}});
    for (const RoomRecord& room : *rooms) {
      if (!wanted(room.id)) continue;
      if (auto done = log(room); !done) return std::unexpected(std::move(done.error()));
    }
    to_.flush();
    if (!to_)
      return std::unexpected(
          StoreError{StoreError::Kind::full,
                     "the export could not be written: see whether there is room "
                     "where it goes"});
    return lines_;
  }

 private:
  bool wanted(RoomId room) const {
    return options_.rooms.empty() ||
           std::ranges::find(options_.rooms, room) != options_.rooms.end();
  }
  void write(const Object& line) {
    to_ << line.dump(-1, ' ', false, Object::error_handler_t::replace) << '\n';
    ++lines_;
  }
  // What is written meanwhile is left for another export.
  Stored<void> log(const RoomRecord& room) {
    for (Sequence after = 0; after < room.last && to_;) {
      const auto page = store_.history(room.id, after, 0, batch);
      if (!page) return std::unexpected(page.error());
      if (page->empty()) break;
      after = page->back().sequence;
      for (const Entry& entry : *page)
        if (entry.sequence <= room.last) write(object_of(entry));
    }
    return {};
  }

  const Store& store_;
  std::ostream& to_;
  const ExportOptions& options_;
  std::uint64_t lines_ = 0;
};

}  // namespace

Stored<std::uint64_t> export_lines(const Store& store, std::ostream& to,
                                   const ExportOptions& options) {
  return Export(store, to, options).all();
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
  const bool too_long = done && !from.eof();
  if (too_long) {
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
