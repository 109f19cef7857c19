// Admin: what an administrator does from the shell, to accounts and rooms, on a server that runs
// (which is asked: control.hpp) and on one that does not.
#pragma once

#include <chat/model/chat.hpp>

namespace polyio::chat {

// Does what a JSON object asks for, and gives what to print, or why it can't be done. "do" is
// list_users, add_user, change_user, remove_user, list_rooms, add_room, change_room or remove_room;
// "name" of whom or which. Of an account: "password", "admin", "locked" (no login), "log_out"
// (everywhere); of a room: "topic", "private", "read_only", "keep_days" (0: for ever). What is not
// there stays as it is. Blocks until it is kept, so not on a loop. Thread-safe.
std::expected<std::string, std::string> administer(Chat& chat, std::string_view request);

}  // namespace polyio::chat
