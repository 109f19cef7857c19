#include "line_commands.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>

#include <chat/model/accounts.hpp>

namespace polyio::chat {
namespace {

constexpr std::size_t most_entries = 200;

constexpr std::string_view help_text =
    "-- a line you send reaches everybody; besides:\n"
    "-- /nick NAME    be called NAME; /nick alone takes the name off\n"
    "-- /who          who is here\n"
    "-- /history [N]  the last N lines, at most 200; /history 10-20: these\n"
    "-- /older [N]    what is before them\n"
    "-- /search WORDS lines that have all of these words\n"
    "-- /me TEXT      an action: * NAME TEXT\n"
    "-- /msg NAME TEXT  to one person only; \"two words\" for a name with a space\n"
    "-- /join #ROOM   go there; a room that is not there is made\n"
    "-- /part [#ROOM] leave it; /rooms lists them; /topic [TEXT]\n"
    "-- /invite NAME  to this room; operators: /kick /ban /unban /mute /unmute NAME,\n"
    "--               /private on|off, /readonly on|off; its founder: /op /deop NAME\n"
    "-- /register PASSWORD, /login NAME PASSWORD, /password OLD NEW\n"
    "-- /help         this\n"
    "-- quit          leave\n";

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// Takes the first word off, or what is in quotes.
std::string_view take_word(std::string_view& rest) {
  rest = trimmed(rest);
  const bool quoted = rest.starts_with('"') && rest.find('"', 1) != rest.npos;
  const std::size_t begin = quoted ? 1 : 0;
  const std::size_t end = std::min(rest.find(quoted ? '"' : ' ', begin), rest.size());
  const std::string_view word = rest.substr(begin, end - begin);
  rest = trimmed(rest.substr(std::min(end + 1, rest.size())));
  return word;
}

std::optional<std::uint64_t> number_in(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// Entries as a line client reads them, with the time where asked.
std::string lines_of(std::span<const Entry> entries, std::string_view where, bool numbered) {
  std::string all;
  for (const Entry& entry : entries) {
    const Message message(entry, where);
    if (message.line.empty()) continue;
    if (numbered) all += fmt::format("-- {}: ", entry.sequence);
    all += message.line;
  }
  return all;
}

}  // namespace

struct LineCommands::Command {
  using Act = void (LineCommands::*)(std::string_view argument);
  std::string_view name;
  Act act;
};

const LineCommands::Command* LineCommands::find(std::string_view line) {
  using L = LineCommands;
  static constexpr std::array<Command, 17> all{{{"/nick", &L::nick},
                                                {"/who", &L::who},
                                                {"/history", &L::history},
                                                {"/older", &L::older},
                                                {"/search", &L::search},
                                                {"/help", &L::help},
                                                {"/join", &L::join},
                                                {"/part", &L::part},
                                                {"/rooms", &L::rooms},
                                                {"/topic", &L::topic},
                                                {"/msg", &L::message},
                                                {"/me", &L::action},
                                                {"/private", &L::make_private},
                                                {"/readonly", &L::make_read_only},
                                                {"/register", &L::register_account},
                                                {"/login", &L::log_in},
                                                {"/password", &L::change_password}}};
  const std::string_view name = line.substr(0, line.find(' '));
  const auto found = std::ranges::find(all, name, &Command::name);
  return found == all.end() ? nullptr : &*found;
}

void LineCommands::take(std::string_view line) {
  const std::string_view name = line.substr(0, line.find(' '));
  if (!member_.inside() && name != "/login" && name != "/help") {
    return error("no guests here: /login NAME PASSWORD");
  }
  if (!line.starts_with('/')) return say(line);
  const std::string_view argument = trimmed(line.substr(name.size()));
  if (const Command* const command = find(line)) return (this->*command->act)(argument);
  if (Member::is_moderation(name.substr(1))) return moderate(name.substr(1), argument);
  say(line);  // any other line is a message, such as a path
}

Task<> LineCommands::wait() {
  const std::unique_ptr<Task<>> work = std::move(waiting_);
  co_await std::move(*work);
}

void LineCommands::reply(std::string_view text) { member_.reply(fmt::format("-- {}\n", text)); }
void LineCommands::error(std::string_view text) { reply(fmt::format("error: {}", text)); }
void LineCommands::done(const Verdict& verdict, std::string_view answer) {
  if (!verdict) return error(verdict.error());
  if (!answer.empty()) reply(answer);
}

void LineCommands::say(std::string_view text, Entry::Kind kind) {
  if (const auto said = member_.say(room_, text, kind); !said) {
    error(fmt::format("{}: nobody got this line", said.error()));
  }
}
void LineCommands::action(std::string_view text) { say(text, Entry::Kind::action); }

void LineCommands::nick(std::string_view name) {
  const auto renamed = member_.rename(name);
  done(renamed, fmt::format("you are {} now", member_.name()));
}

void LineCommands::who(std::string_view) { member_.ask_who(room_); }
void LineCommands::help(std::string_view) { member_.reply(std::string(help_text)); }

void LineCommands::history(std::string_view range) {
  const auto dash = range.find('-');
  const auto first = number_in(range.substr(0, dash));
  constexpr std::string_view takes = "/history takes a number, at most 200, or two: 120-156";
  if (dash == range.npos) {
    if (!range.empty() && !first) return error(takes);
    const std::size_t count = std::min<std::size_t>(first.value_or(most_entries), most_entries);
    oldest_ = member_.end(room_) - std::min<Sequence>(count, member_.end(room_) - 1);
    return member_.ask_history(room_, count);
  }
  const auto last = number_in(range.substr(dash + 1));
  if (!first || !last || *first == 0 || *last < *first) return error(takes);
  const std::size_t count = std::min<std::uint64_t>(*last - *first + 1, most_entries);
  oldest_ = *first;
  const auto where = member_.where(room_);
  member_.ask_store([room = room_, after = *first - 1, count, where](const Store& store) {
    const auto entries = store.history(room, after, 0, count);
    return entries ? lines_of(*entries, where, false) : "-- error: " + entries.error().text + "\n";
  });
}

void LineCommands::older(std::string_view argument) {
  const auto count = argument.empty() ? std::optional<std::uint64_t>(50) : number_in(argument);
  if (!count || *count == 0) return error("/older takes a number, at most 200");
  const std::size_t most = std::min<std::uint64_t>(*count, most_entries);
  const Sequence before = oldest_ ? oldest_ : member_.end(room_);
  if (before <= 1) return reply("nothing is older");
  oldest_ = before - std::min<Sequence>(most, before - 1);
  const auto where = member_.where(room_);
  member_.ask_store([room = room_, before, most, where](const Store& store) {
    const auto entries = store.history(room, 0, before, most);
    if (!entries) return "-- error: " + entries.error().text + "\n";
    return lines_of(*entries, where, false) +
           (entries->empty() || entries->front().sequence == 1 ? "-- nothing is older\n" : "");
  });
}

void LineCommands::search(std::string_view words) {
  if (words.empty()) return error("such as /search apple pie");
  SearchQuery query{.words = std::string(words), .rooms = member_.readable(), .count = 20};
  member_.ask_store([query = std::move(query)](const Store& store) {
    const auto entries = store.search(query);
    if (!entries) return "-- error: " + entries.error().text + "\n";
    std::vector<Entry> oldest_first(entries->rbegin(), entries->rend());
    return lines_of(oldest_first, {}, true) + fmt::format("-- {} found\n", entries->size());
  });
}

// --- rooms ---

void LineCommands::join(std::string_view name) {
  const auto room = member_.join_room(name);
  if (!room) return error(room.error());
  room_ = *room;
  oldest_ = 0;
  reply(fmt::format("you are in {} now", member_.title(room_)));
}

void LineCommands::part(std::string_view name) {
  const RoomId room = name.empty() ? room_ : member_.find_room(name);
  const std::string title = member_.title(room);
  const auto parted = member_.part(room);
  if (parted && room == room_) room_ = lobby_id;
  done(parted, fmt::format("you have left {}; you speak in {}", title, member_.title(room_)));
}

void LineCommands::rooms(std::string_view) {
  std::string text;
  for (const RoomListing& room : member_.rooms()) {
    text += fmt::format("-- {} ({}){}{}\n", room.name, room.people, room.topic.empty() ? "" : " ",
                        room.topic);
  }
  member_.reply(std::move(text));
}

void LineCommands::topic(std::string_view text) {
  if (!text.empty()) return done(member_.set_topic(room_, text), {});
  const std::string topic = member_.topic(room_);
  reply(topic.empty() ? "there is no topic" : topic);
}

void LineCommands::message(std::string_view rest) {
  const std::string_view name = take_word(rest);
  if (name.empty() || rest.empty()) return error("such as /msg alice hello");
  const auto room = member_.converse(name);
  if (!room) return error(room.error());
  done(member_.say(*room, rest), {});
}

void LineCommands::make_private(std::string_view on) { set_mode(on, true); }
void LineCommands::make_read_only(std::string_view on) { set_mode(on, false); }
void LineCommands::set_mode(std::string_view on, bool is_private) {
  if (on != "on" && on != "off") return error("say on or off");
  std::optional<bool> none, value = on == "on";
  done(member_.set_mode(room_, is_private ? value : none, is_private ? none : value),
       fmt::format("{} is {} now", member_.title(room_),
                   is_private ? (*value ? "private" : "open to all")
                              : (*value ? "read-only" : "for all to write in")));
}

void LineCommands::moderate(std::string_view verb, std::string_view name) {
  if (name.empty()) return error(fmt::format("such as /{} alice", verb));
  done(member_.moderate(room_, verb, take_word(name)), "done");
}

// --- accounts ---

void LineCommands::register_account(std::string_view password) {
  if (password.empty()) return error("first /nick NAME, then /register PASSWORD");
  waiting_ = std::make_unique<Task<>>(register_now(member_.name(), std::string(password)));
}

void LineCommands::log_in(std::string_view rest) {
  const std::string_view name = take_word(rest);
  if (name.empty() || rest.empty()) return error("such as /login alice PASSWORD");
  waiting_ = std::make_unique<Task<>>(log_in_now(std::string(name), std::string(rest)));
}

void LineCommands::change_password(std::string_view rest) {
  const std::string_view before = take_word(rest);
  if (before.empty() || rest.empty()) return error("such as /password OLD NEW");
  waiting_ = std::make_unique<Task<>>(change_password_now(std::string(before), std::string(rest)));
}

Task<> LineCommands::register_now(std::string name, std::string password) {
  (void)member_.rename({});  // the account gets the name
  const auto account = co_await polyio::chat::register_account(member_.chat(), io_, member_.host(),
                                                               name, std::move(password));
  if (!account) {
    (void)member_.rename(name);
    error(account.error().text);
    co_return;
  }
  member_.log_in(*account);
  reply(fmt::format("{} is your account now: /login {} PASSWORD from anywhere", name, name));
}

Task<> LineCommands::log_in_now(std::string name, std::string password) {
  const auto account = co_await polyio::chat::log_in(member_.chat(), io_, member_.host(),
                                                     std::move(name), std::move(password));
  if (!account) {
    error(account.error().text);
    co_return;
  }
  member_.log_in(*account);
  reply(fmt::format("you are {} now", account->name));
}

Task<> LineCommands::change_password_now(std::string before, std::string after) {
  const auto changed = co_await polyio::chat::change_password(
      member_.chat(), io_, member_.person_id(), std::move(before), std::move(after));
  if (!changed) {
    error(changed.error().text);
    co_return;
  }
  reply("the password is changed");
}

}  // namespace polyio::chat
