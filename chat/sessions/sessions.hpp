// Sessions: what happens on one connection of the chat. serve_connection finds out the protocol and
// runs the session; the other functions are its parts. Each session has a reader and, once it has
// joined, a writer beside it, which sends the contents of the client's outbox.
#pragma once

#include <polyio/proto/sniff.hpp>
#include <polyio/proto/websocket.hpp>

#include <chat/model/chat.hpp>
#include <chat/model/member.hpp>

namespace polyio::chat {

Task<> serve_connection(Chat& chat, Stream stream);

// What arrived while the protocol was found out: `held` first, then `chunk`. On the heap, because
// it is freed long before its session ends.
struct FirstBytes {
  std::string address;  // where it comes from: ('host', port)
  Sequence from = 0;    // the lobby's first entry for it, if it is a line client
  std::string held;
  Lease chunk;
  bool ended = false;  // followed by the end of file
};
using FirstBytesPtr = std::unique_ptr<FirstBytes>;

// Whether this connection is refused because it is in the clear.
inline bool must_secure(const Chat& chat, const Stream& stream) {
  return chat.options().tls_only && !stream.layer();
}

// The protocols' sessions. Those with a writer say until when to wait for the client's end, if
// that is still to come: say_farewell().
using Farewell = std::optional<Deadline>;
Task<Farewell> line_session(Chat& chat, Stream& stream, FirstBytesPtr first);
// What the handshake of a page has settled.
struct PageTerms {
  std::optional<Account> account{};  // that it is logged in with
  bool deflated = false;             // its frames may be
  std::string address{};             // where it comes from
  std::string rest{};                // what came behind the handshake
};
Task<Farewell> websocket_session(Chat& chat, Stream& stream, std::unique_ptr<PageTerms> terms);
// None: the connection is over.
Task<std::unique_ptr<PageTerms>> http_session(Chat& chat, Stream& stream, FirstBytesPtr first);

// Sends the outbox's pieces until it is closed and empty, or sending fails, which cancels `group`.
Task<> write_outbox(Member& member, Stream& stream, TaskGroup& group);
// Waits while the client asks for more than it reads, or says more than the rooms give out; false:
// cancelled.
Task<bool> wait_for_room(Io& io, Outbox& outbox);
// After the client has left: lets the writer send what is there, until `end`; then cancels `group`.
Task<> let_writer_finish(Io& io, Outbox& outbox, TaskGroup& group, Deadline end);
// Ends a connection without losing the last bytes sent: shuts down the sending side, then reads
// what still arrives, until `end` and up to a bound (a close with unread bytes would reset it).
Task<> say_farewell(Io& io, Stream& stream, Deadline end);

// How much a session does before it lets others run: lines or frames, and bytes.
class Turn {
 public:
  // True: it has done enough. A session that has waited for something else calls begin().
  bool ends_after(std::size_t bytes) noexcept {
    return ++items_ >= 64 || (bytes_ += bytes) >= 16384;
  }
  void begin() noexcept { items_ = bytes_ = 0; }

 private:
  std::size_t items_ = 0, bytes_ = 0;
};

}  // namespace polyio::chat
