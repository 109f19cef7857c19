// Sessions: what happens on one connection of the chat. serve_connection finds out the protocol and
// runs the session; the other functions are its parts. Each session has a reader and, once it has
// joined, a writer beside it, which sends the contents of the client's outbox.
#pragma once

#include <polyio/proto/sniff.hpp>
#include <polyio/proto/websocket.hpp>

#include "chat.hpp"

namespace polyio::chat {

Task<> serve_connection(Chat& chat, Stream stream);

// What arrived while the protocol was found out: `held` first, then `chunk`. On the heap, because
// it is freed long before its session ends.
struct FirstBytes {
  std::string held;
  Lease chunk;
  bool ended = false;  // followed by the end of file
};
using FirstBytesPtr = std::unique_ptr<FirstBytes>;

// Waits for the first bytes and decides. Undecided: the connection ended, or sent too little for
// too long.
Task<proto::Protocol> find_protocol(Chat& chat, Stream& stream, FirstBytes& first);
Task<> http_session(Chat& chat, Io& io, Stream& stream, FirstBytesPtr first);
Task<> websocket_session(Chat& chat, Io& io, Stream& stream, std::string rest);

// Sends the outbox's pieces until it is closed and empty, or sending fails, which cancels `group`.
Task<> write_outbox(Stream& stream, Client& client, TaskGroup& group);
// Waits while the client asks for more replies than it reads; false: cancelled.
Task<bool> wait_for_replies(Io& io, Client& client);
// Ends a connection without losing the last bytes sent: shuts down the sending side, then reads
// what still arrives, for a while and up to a bound (a close with unread bytes would reset it).
Task<> say_farewell(Chat& chat, Io& io, Stream& stream);

}  // namespace polyio::chat
