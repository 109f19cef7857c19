// The commands under `polyio chat` that look after its accounts, rooms and data.
#include <fmt/format.h>
#include <sys/stat.h>
#include <termios.h>

#include <CLI/CLI.hpp>
#include <chat/admin/admin.hpp>
#include <chat/admin/place.hpp>
#include <chat/store/json_lines.hpp>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <polyio/base/text.hpp>
#include <polyio/drivers/registry.hpp>
#include <polyio/os/file.hpp>
#include <polyio/os/line_log.hpp>
#include <polyio/os/signals.hpp>
#include <polyio/os/socket.hpp>

#include "chat_admin.hpp"

namespace polyio::app {
namespace {

using nlohmann::json;
using Answer = std::expected<std::string, std::string>;

int report(const Answer& answer) {
  if (answer) {
    fmt::print("{}", *answer);
    return 0;
  }
  fmt::print(stderr, "polyio chat: {}\n", escape_for_log(answer.error()));
  return 1;
}

// Nothing: no server listens there.
std::optional<std::string> ask(const std::string& path, const std::string& request) {
  os::ignore_sigpipe();
  const auto address = os::Address::parse("unix:" + path);
  auto driver = make_driver("poll");
  if (!address || !driver) return std::nullopt;
  std::optional<std::string> answer;
  Io io(std::move(*driver));
  auto main = [&]() -> Task<> {
    auto stream = co_await io.connect(*address);
    if (!stream) co_return;
    answer.emplace();
    auto sent = co_await stream->send_all(request);
    while (sent) {
      auto chunk = co_await stream->receive();
      if (!chunk || chunk->empty()) co_return;
      *answer += chunk->text();
    }
  };
  io.run(main());
  return answer;
}

// By the server that runs, or here if none does.
Answer administer(const std::string& data, const json& asked) {
  const std::string folder = chat::Place::named(data);
  if (const auto answer = ask(chat::Place::socket(folder), asked.dump() + "\n")) {
    const auto end = answer->find('\n');
    if (end == answer->npos) return std::unexpected("the server did not answer: is it stopping?");
    std::string text = answer->substr(end + 1);
    if (answer->substr(0, end) != "ok") return std::unexpected(std::move(text));
    return text;
  }
  const chat::Place place(folder);
  chat::ChatOptions options;
  options.store.path = place.database();
  options.write_inline = true;
  chat::Chat chat(std::move(options));
  return chat::administer(chat, asked.dump());
}

// A terminal that does not show what is typed, until the end of this or of the program.
class Hidden {
 public:
  Hidden() {
    termios hidden = shown_;
    hidden.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(os::standard_input, TCSAFLUSH, &hidden);
  }
  ~Hidden() { show(); }

 private:
  static termios now() noexcept {
    termios terminal{};
    ::tcgetattr(os::standard_input, &terminal);
    return terminal;
  }
  void show() const noexcept {
    ::tcsetattr(os::standard_input, TCSAFLUSH, &shown_);
    os::write_to_stderr("\n");
  }

  const termios shown_ = now();
  os::SignalWatcher signals_{{SIGINT, SIGQUIT, SIGTERM, SIGHUP}, [this](int signal) {
                               show();
                               std::_Exit(128 + signal);
                             }};
};

// A line of the input; on a terminal one that is not shown.
std::string read_password(const std::string& name) {
  std::optional<Hidden> hidden;
  if (os::is_terminal(os::standard_input)) {
    hidden.emplace();  // before it may be typed
    fmt::print(stderr, "password for {}: ", escape_for_log(name));
  }
  std::string password;
  std::getline(std::cin, password);
  return password;
}

std::string example_of(const std::string& command) {
  return fmt::format("--data DIR says where, as for the chat itself.\nExample:\n  polyio chat {}",
                     command);
}

// A command that fills in what is asked of administer().
class Request {
 public:
  Request(CLI::App& of, const std::string& name, const std::string& what, std::string act,
          const std::string& example)
      : command(of.add_subcommand(name, what)), asked_({{"do", std::move(act)}}) {
    command->fallthrough();  // --data may come last
    command->footer(example_of(fmt::format("{} {} {}", of.get_name(), name, example)));
  }

  void named(const std::string& help) { add<std::string>("name", "name", help)->required(); }
  template <class T>
  CLI::Option* add(const std::string& option, const char* member, const std::string& help) {
    const auto keep = [this, member](const T& value) { asked_[member] = value; };
    return command->add_option_function<T>(option, keep, help);
  }
  void flag(const std::string& option, const char* member, const std::string& help) {
    command->add_flag_callback(option, [this, member] { asked_[member] = true; }, help);
  }
  // "on" or "off"
  void set(const std::string& option, const char* member, const std::string& help) {
    const auto keep = [this, member](const std::string& value) { asked_[member] = value == "on"; };
    command->add_option_function<std::string>(option, keep, help)
        ->check(CLI::IsMember({"on", "off"}))
        ->type_name("on|off");
  }
  bool asks_for_password = false;

  int run(const std::string& data) try {
    if (asks_for_password) asked_["password"] = read_password(asked_["name"]);
    return report(administer(data, asked_));
  } catch (const std::exception& error) {
    return report(std::unexpected(error.what()));
  }

  CLI::App* const command;

 private:
  json asked_;
};

using Requests = std::vector<std::shared_ptr<Request>>;

Request& add(Requests& all, CLI::App& of, const std::string& name, const std::string& what,
             const std::string& act, const std::string& example) {
  all.push_back(std::make_shared<Request>(of, name, what, act, example));
  return *all.back();
}

void add_users(CLI::App& chat, Requests& all) {
  auto& user = *chat.add_subcommand("user", "looks after accounts, also while the chat runs");
  user.require_subcommand(1)->fallthrough();
  add(all, user, "list", "accounts, one a line", "list_users", "");
  auto& made = add(all, user, "add", "makes one; asks for its password, or reads a line",
                   "add_user", "ben < a-file-with-a-password");
  made.named("its name");
  made.flag("--admin", "admin", "operates every room");
  made.asks_for_password = true;
  auto& changed = add(all, user, "set", "changes one", "change_user", "ben --locked on");
  changed.named("its name");
  changed.set("--admin", "admin", "operates every room");
  changed.set("--locked", "locked", "can't log in; ends its connections");
  changed.flag("--log-out", "log_out", "ends its logins and connections");
  changed.command->add_flag("--password", changed.asks_for_password,
                            "asks for a new one, or reads a line; ends its logins and connections");
  add(all, user, "remove", "removes one; what it has said stays", "remove_user", "ben")
      .named("its name");
  user.footer(example_of("user add ann --admin"));
}

void add_rooms(CLI::App& chat, Requests& all) {
  auto& room = *chat.add_subcommand("room", "looks after rooms, also while the chat runs");
  room.require_subcommand(1)->fallthrough();
  add(all, room, "list", "rooms, one a line", "list_rooms", "");
  const auto with_topic = [](Request& request) {
    request.named("its name, such as '#garden'");
    request.add<std::string>("--topic", "topic", "what it is about");
    request
        .add<std::int64_t>("--keep-days", "keep_days", "how long messages are kept; 0: for ever")
        ->check(CLI::NonNegativeNumber)
        ->type_name("N");
  };
  auto& made =
      add(all, room, "add", "makes one", "add_room", "'#news' --read-only --topic 'what happens'");
  with_topic(made);
  made.flag("--private", "private", "entered by invitation");
  made.flag("--read-only", "read_only", "operators write");
  auto& changed = add(all, room, "set", "changes one", "change_room", "'#lobby' --keep-days 30");
  with_topic(changed);
  changed.set("--private", "private", "entered by invitation");
  changed.set("--read-only", "read_only", "operators write");
  add(all, room, "remove", "removes one and all that was said there", "remove_room", "'#news'")
      .named("its name");
  room.footer(example_of("room set '#lobby' --keep-days 30"));
}

// --- data ---

std::string existing_database(const std::string& data) {
  const std::string path = chat::Place::database(chat::Place::named(data));
  if (!std::filesystem::exists(path)) {
    throw std::runtime_error(path + " is not there: say by --data DIR where it is");
  }
  return path;
}

std::unique_ptr<chat::Store> open_store(const std::string& path) {
  auto store = chat::Store::open({.path = path});
  if (!store) throw std::runtime_error(store.error().text);
  return std::move(*store);
}

Answer back_up(const std::string& data, const std::string& to) {
  const auto store = open_store(existing_database(data));
  const auto done = store->backup(to);
  if (!done) return std::unexpected(done.error().text);
  return fmt::format("{}: {} bytes\n", escape_for_log(to), std::filesystem::file_size(to));
}

Answer export_data(const std::string& data, const std::string& to,
                   const std::vector<std::string>& names, bool passwords) {
  const auto store = open_store(existing_database(data));
  chat::ExportOptions options{.passwords = passwords};
  const auto rooms = store->rooms();
  if (!rooms) return std::unexpected(rooms.error().text);
  for (const std::string& name : names) {
    const auto room = std::ranges::find(*rooms, name, &chat::RoomRecord::name);
    if (room == rooms->end()) return std::unexpected("there is no room " + name);
    options.rooms.push_back(room->id);
  }
  std::ofstream file;
  if (to != "-") {
    ::umask(077);  // for its owner's eyes only
    file.open(to, std::ios::binary);
    if (!file) return std::unexpected(fmt::format("{}: can't be written", to));
  }
  std::ostream& out = to == "-" ? std::cout : file;
  const auto lines = export_lines(*store, out, options);
  if (!lines) return std::unexpected(lines.error().text);
  if (!out.flush()) return std::unexpected(fmt::format("{}: can't be written", to));
  return to == "-" ? std::string() : fmt::format("{} lines\n", *lines);
}

Answer import_data(const std::string& data, const std::string& from) {
  const chat::Place place(data);  // no server may run
  std::ifstream file;
  if (from != "-") {
    file.open(from, std::ios::binary);
    if (!file) return std::unexpected(fmt::format("{}: can't be read", from));
  }
  const auto store = open_store(place.database());
  const auto done = chat::import_lines(*store, from == "-" ? std::cin : file);
  if (!done) return std::unexpected(done.error().text);
  return fmt::format("{} accounts, {} rooms and {} messages and changes are new\n", done->accounts,
                     done->rooms, done->entries);
}

template <class Work>
void on_data(CLI::App& command, Run& run, const Work& work) {
  command.fallthrough();
  command.callback([&run, work] {
    run = [work] {
      try {
        return report(work());
      } catch (const std::exception& error) {
        return report(std::unexpected(error.what()));
      }
    };
  });
}

void add_data(CLI::App& chat, const std::shared_ptr<const std::string>& data, Run& run) {
  const auto file = std::make_shared<std::string>("-");
  auto& backup = *chat.add_subcommand("backup", "copies the database, also while the chat runs");
  backup.add_option("file", *file, "must not be there yet")->required()->type_name("FILE");
  backup.footer(example_of("backup \"chat-$(date +%F).db\""));
  on_data(backup, run, [data, file] { return back_up(*data, *file); });

  struct Chosen {
    std::vector<std::string> rooms;
    bool passwords = false;
  };
  const auto chosen = std::make_shared<Chosen>();
  auto& out = *chat.add_subcommand("export", "writes all as JSON lines, also while the chat runs");
  out.add_option("file", *file, "-: to the standard output")->type_name("FILE");
  out.add_option("--room", chosen->rooms, "what was said in this one; more than once [all]")
      ->type_name("NAME");
  out.add_flag("--passwords", chosen->passwords, "their hashes too, so that logins go on working");
  out.footer(example_of("export --room '#garden' garden.jsonl"));
  on_data(out, run, [data, file, chosen] {
    return export_data(*data, *file, chosen->rooms, chosen->passwords);
  });

  auto& in = *chat.add_subcommand("import", "adds what export has written; stop the chat first");
  in.add_option("file", *file, "-: from the standard input")->type_name("FILE");
  in.footer(example_of("import garden.jsonl"));
  on_data(in, run, [data, file] { return import_data(*data, *file); });
}

}  // namespace

void add_chat_admin(CLI::App& chat, const std::shared_ptr<const std::string>& data, Run& run) {
  Requests all;
  add_users(chat, all);
  add_rooms(chat, all);
  for (const auto& request : all) {
    request->command->callback(
        [&run, request, data] { run = [request, data] { return request->run(*data); }; });
  }
  add_data(chat, data, run);
}

}  // namespace polyio::app
