#include "admin.hpp"

#include <fmt/format.h>

#include <future>
#include <nlohmann/json.hpp>
#include <polyio/base/text.hpp>

#include <chat/model/accounts.hpp>
#include <chat/store/nickname_key.hpp>
#include <chat/store/password.hpp>

namespace polyio::chat {
namespace {

using nlohmann::json;

template <class T>
std::optional<T> member(const json& asked, const char* name) {
  return asked.contains(name) ? std::optional(asked.at(name).get<T>()) : std::nullopt;
}

}  // namespace

class Admin {
 public:
  using Done = std::expected<std::string, std::string>;

  Admin(Chat& chat, const json& asked)
      : chat_(chat),
        directory_(chat.directory_),
        asked_(asked),
        name_(asked.value("name", std::string())) {}

  Done list_users() {
    std::string text;
    const std::lock_guard lock(directory_.mutex());
    std::map<std::string_view, const Account*> by_name;
    for (const auto& [id, account] : directory_.accounts()) by_name.emplace(account.name, &account);
    for (const auto& [name, account] : by_name) {
      const Person* const here = directory_.person(account->id);
      text += fmt::format("{}{}{}{}\n", name, account->admin ? " administrator" : "",
                          account->disabled ? " locked" : "", here ? " here" : "");
    }
    return text;
  }

  Done add_user() {
    const auto password = member<std::string>(asked_, "password").value_or("");
    if (auto valid = check_nickname(name_); !valid) return std::unexpected(valid.error());
    if (auto valid = check_password(password); !valid) return std::unexpected(valid.error().text);
    Account account{.name = name_, .password = hash_password(password), .admin = is("admin")};
    {
      const std::lock_guard lock(directory_.mutex());
      if (auto taken = directory_.reserve(name_); !taken) return std::unexpected(taken.error());
    }
    const auto added = kept([&account, this](Store& store) -> Stored<PersonId> {
      const std::string key = nickname_key(name_);
      auto id = store.add_account(name_, key, account.password);
      if (!id || !account.admin) return id;
      account.id = *id;
      if (auto changed = store.change_account(account, key); !changed) {
        return std::unexpected(changed.error());
      }
      return id;
    });
    const std::lock_guard lock(directory_.mutex());
    directory_.release(name_);
    if (!added) return std::unexpected(added.error());
    account.id = *added;
    (void)directory_.keep_account(std::move(account));
    return {};
  }

  Done change_user() {
    auto account = known_account();
    if (!account) return std::unexpected(account.error());
    const auto password = member<std::string>(asked_, "password");
    if (password) {
      if (auto valid = check_password(*password); !valid) {
        return std::unexpected(valid.error().text);
      }
      account->password = hash_password(*password);
    }
    account->admin = member<bool>(asked_, "admin").value_or(account->admin);
    account->disabled = member<bool>(asked_, "locked").value_or(account->disabled);
    const bool out = password || is("locked") || is("log_out");
    const auto changed = kept([&](Store& store) -> Stored<void> {
      auto done = store.change_account(*account, nickname_key(account->name));
      return done && out ? store.remove_logins(account->id) : done;
    });
    if (!changed) return std::unexpected(changed.error());
    {
      const std::lock_guard lock(directory_.mutex());
      Person* const person = directory_.person(account->id);
      if (person) person->admin = account->admin;
      if (person && asked_.contains("admin")) {
        chat_.show(*directory_.lobby(), *person);
        for (const RoomPtr& room : person->rooms) chat_.show(*room, *person);
      }
      (void)directory_.keep_account(*account);
    }
    if (out) chat_.end_connections(account->id);
    return {};
  }

  Done remove_user() {
    const auto account = known_account();
    if (!account) return std::unexpected(account.error());
    const auto id = account->id;
    const auto removed = kept([id](Store& store) { return store.remove_account(id); });
    if (!removed) return std::unexpected(removed.error());
    chat_.end_connections(id);
    const std::lock_guard lock(directory_.mutex());
    directory_.drop_account(id);
    return {};
  }

  Done list_rooms() {
    std::string text;
    const std::lock_guard lock(directory_.mutex());
    for (const auto& [id, room] : directory_.rooms()) {
      const RoomRecord& record = room->record;
      if (room->direct()) continue;
      text += fmt::format("{} {} here", record.name, room->present.size());
      if (record.is_private) text += ", private";
      if (record.read_only) text += ", read-only";
      if (record.keep_days) text += fmt::format(", kept for {} days", record.keep_days);
      text += record.topic.empty() ? "\n" : ": " + record.topic + "\n";
    }
    return text;
  }

  Done add_room() {
    const auto record = changed({});
    if (!record) return std::unexpected(record.error());
    RoomPtr room;
    std::future<Stored<RoomId>> added;
    {
      const std::lock_guard lock(directory_.mutex());
      if (directory_.room(name_)) return std::unexpected(name_ + " is there already");
      const auto made = directory_.make_room(name_, 0);
      if (!made) return std::unexpected(made.error());
      room = *made;
      const RoomRecord as_made = std::exchange(room->record, *record);
      room->record.id = as_made.id;
      room->record.name = name_;
      // Before anything that is written about it.
      added = write([made = room->record, key = nickname_key(name_)](Store& store) {
        return store.add_room(made, key);
      });
    }
    auto done = added.get();
    if (done) return {};
    const std::lock_guard lock(directory_.mutex());
    directory_.drop_room(room->record.id);
    return std::unexpected(done.error().text);
  }

  Done change_room() {
    RoomPtr room;
    std::expected<RoomRecord, std::string> record;
    {
      const std::lock_guard lock(directory_.mutex());
      room = directory_.room(name_);
      if (!room) return std::unexpected(no_room());
      record = changed(room->record);
      if (!record) return std::unexpected(record.error());
    }
    const auto done = kept([&record](Store& store) { return store.change_room(*record); });
    if (!done) return std::unexpected(done.error());
    const std::lock_guard lock(directory_.mutex());
    room->record = *record;
    for (const auto& [id, person] : room->present) chat_.show(*room, *person);
    return {};
  }

  Done remove_room() {
    RoomPtr room;
    std::map<PersonId, std::vector<ClientPtr>> out;
    {
      const std::lock_guard lock(directory_.mutex());
      room = directory_.room(name_);
      if (!room) return std::unexpected(no_room());
      if (room->record.id == lobby_id) return std::unexpected("the lobby stays");
    }
    const RoomId id = room->record.id;
    const auto removed = kept([id](Store& store) { return store.remove_room(id); });
    if (!removed) return std::unexpected(removed.error());
    {
      const std::lock_guard lock(directory_.mutex());
      while (!room->present.empty()) {
        Person& person = *room->present.begin()->second;
        out[person.id] = chat_.take_out(room, person);
      }
      directory_.drop_room(id);
    }
    for (const auto& [person, clients] : out) {
      chat_.left(room, person, clients, fmt::format("an administrator has removed {}", name_));
    }
    return {};
  }

 private:
  bool is(const char* name) const { return asked_.value(name, false); }
  std::string no_room() const { return fmt::format("there is no room {}", name_); }

  std::expected<Account, std::string> known_account() {
    const std::lock_guard lock(directory_.mutex());
    const Account* const account = directory_.account(name_);
    if (account) return *account;
    return std::unexpected(fmt::format("there is no account {}", name_));
  }

  // The record as it is asked for.
  std::expected<RoomRecord, std::string> changed(RoomRecord record) const {
    record.topic = member<std::string>(asked_, "topic").value_or(record.topic);
    record.is_private = member<bool>(asked_, "private").value_or(record.is_private);
    record.read_only = member<bool>(asked_, "read_only").value_or(record.read_only);
    record.keep_days = member<std::int64_t>(asked_, "keep_days").value_or(record.keep_days);
    if (record.id == lobby_id && record.is_private) {
      return std::unexpected("the lobby is open to everybody");
    }
    if (auto valid = check_topic(record.topic); !valid) return std::unexpected(valid.error());
    if (record.keep_days < 0 || record.keep_days > longest_keep_days) {
      return std::unexpected(
          fmt::format("messages are kept for 1 to {} days, or 0: for ever", longest_keep_days));
    }
    return record;
  }

  // What `work` gives on the writer's thread, where nothing else is written meanwhile.
  template <class Work>
  auto write(Work work) -> std::future<std::invoke_result_t<Work&, Store&>> {
    std::packaged_task<std::invoke_result_t<Work&, Store&>(Store&)> task(std::move(work));
    auto result = task.get_future();
    chat_.writer_.run([todo = std::move(task)](Store& store) mutable { todo(store); });
    return result;
  }
  template <class Work>
  auto kept(Work work)
      -> std::expected<typename std::invoke_result_t<Work&, Store&>::value_type, std::string> {
    auto written = write(std::move(work)).get();
    if (!written) return std::unexpected(written.error().text);
    if constexpr (std::is_void_v<typename decltype(written)::value_type>) {
      return {};
    } else {
      return std::move(*written);
    }
  }

  Chat& chat_;
  Directory& directory_;
  const json& asked_;
  const std::string name_;
};

std::expected<std::string, std::string> administer(Chat& chat, std::string_view request) try {
  using Act = Admin::Done (Admin::*)();
  static const std::map<std::string, Act> acts{
      {"list_users", &Admin::list_users},   {"add_user", &Admin::add_user},
      {"change_user", &Admin::change_user}, {"remove_user", &Admin::remove_user},
      {"list_rooms", &Admin::list_rooms},   {"add_room", &Admin::add_room},
      {"change_room", &Admin::change_room}, {"remove_room", &Admin::remove_room}};
  const json asked = json::parse(request);
  const auto what = asked.at("do").get<std::string>();
  const auto act = acts.find(what);
  if (act == acts.end()) return std::unexpected("this server is of another version");
  Admin admin(chat, asked);
  auto done = (admin.*act->second)();
  const std::string of = escape_for_log(asked.value("name", std::string()));
  if (!what.starts_with("list")) {
    const std::string why = done ? "" : ": " + escape_for_log(done.error());
    chat.log(fmt::format("administrator: {} {}{}", what, of, why));
  }
  return done;
} catch (const json::exception&) {
  return std::unexpected("the request is malformed");
} catch (const std::bad_alloc&) {
  return std::unexpected("there was no memory");
}

}  // namespace polyio::chat
