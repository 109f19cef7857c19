// Control: the socket in the chat's folder, by which `polyio chat user` and `polyio chat room` ask
// the server that runs. The rule: only the server's own user and root are answered.
#pragma once

#include <chat/model/chat.hpp>

namespace polyio::chat {

// Answers there until the server stops: a line with a request of administer(), and back "ok" or
// "error" in a line of its own, then the text. `path`: of at most 107 bytes.
BackgroundTask control(Chat& chat, std::string path);

}  // namespace polyio::chat
