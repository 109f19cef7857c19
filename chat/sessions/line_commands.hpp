// LineCommands: what a line client's lines mean: a command that begins with '/', or something said
// in the room that it is in.
#pragma once

#include <chat/model/member.hpp>

namespace polyio::chat {

class LineCommands {
 public:
  LineCommands(Member& member, Io& io) noexcept : member_(member), io_(io) {}

  // Acts on a line that passed check_text.
  void take(std::string_view line);
  // Something must be waited for before the next line is taken: a password.
  bool waits() const noexcept { return static_cast<bool>(waiting_); }
  Task<> wait();

 private:
  struct Command;
  static const Command* find(std::string_view line);

  // Of the commands that have the same shape: their answer, or the error.
  void say(std::string_view text, Entry::Kind kind = Entry::Kind::message);
  void done(const Verdict& verdict, std::string_view answer);
  void reply(std::string_view text);
  void error(std::string_view text);

  void nick(std::string_view name);
  void who(std::string_view);
  void history(std::string_view range);
  void older(std::string_view count);
  void search(std::string_view words);
  void help(std::string_view);
  void join(std::string_view name);
  void part(std::string_view name);
  void rooms(std::string_view);
  void topic(std::string_view text);
  void message(std::string_view name_and_text);
  void action(std::string_view text);
  void make_private(std::string_view on);
  void make_read_only(std::string_view on);
  void set_mode(std::string_view on, bool is_private);
  void moderate(std::string_view verb, std::string_view name);
  void register_account(std::string_view password);
  void log_in(std::string_view name_and_password);
  void change_password(std::string_view passwords);

  Task<> register_now(std::string name, std::string password);
  Task<> log_in_now(std::string name, std::string password);
  Task<> change_password_now(std::string before, std::string after);

  Member& member_;
  Io& io_;
  RoomId room_ = lobby_id;  // where it speaks
  Sequence oldest_ = 0;     // what /history or /older showed last
  std::unique_ptr<Task<>> waiting_;
};

}  // namespace polyio::chat
