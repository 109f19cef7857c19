// Sessions: what happens on one connection of the chat. serve_connection tells the protocols apart
// and runs the session; the others are its parts. Each session has a reader and, once it has
// joined, a writer beside it, which sends what lies in the client's outbox.
#pragma once

#include <polyio/proto/sniff.hpp>
#include <polyio/proto/websocket.hpp>

#include "chat.hpp"

namespace polyio::chat {

Task<> serve_connection(Chat& chat, Stream stream);

// What arrived while the protocol was being found out: `held` first, then `chunk`. It is on the
// heap because it goes long before its session ends.
struct FirstBytes {
  std::string held;
  Lease chunk;
  bool ended = false;  // and then the end of file
};
using FirstBytesPtr = std::unique_ptr<FirstBytes>;

// Waits for the first bytes and decides; undecided: the connection ended, or said too little for
// too long.
Task<proto::Protocol> find_protocol(Chat& chat, Stream& stream, FirstBytes& first);
Task<> http_session(Chat& chat, Io& io, Stream& stream, FirstBytesPtr first);
Task<> websocket_session(Chat& chat, Io& io, Stream& stream, std::string rest);

// Sends the outbox's pieces until it is closed and empty, or sending fails, which cancels `group`.
Task<> write_outbox(Stream& stream, Client& client, TaskGroup& group);
// Waits while the client has more replies waiting than it takes; false: cancelled.
Task<bool> wait_for_replies(Io& io, Client& client);
// Ends a connection so that the last bytes sent are not lost: tells the end, then takes what still
// arrives, for a while and up to a bound (a close with unread bytes would reset the connection).
Task<> say_farewell(Chat& chat, Io& io, Stream& stream);

}  // namespace polyio::chat
