#include "http.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <polyio/io/task_group.hpp>
#include <polyio/proto/handshake.hpp>
#include <polyio/proto/page.hpp>
#include <polyio/proto/websocket.hpp>

namespace polyio::lab {
namespace {

using namespace std::chrono_literals;

constexpr Nanoseconds patience = 10s;  // for a request's head, and for what is sent to be taken
constexpr std::size_t longest_message = 4096;
constexpr std::size_t frames_kept = 256;  // for a browser that is slow

std::string frame_of(const Json& message) {
  return proto::encode_text(message.dump(-1, ' ', false, Json::error_handler_t::replace));
}

}  // namespace

// A browser that looks: what it is to be sent.
class PageServer::Viewer {
 public:
  explicit Viewer(PageServer& server) : server_(server) { server_.viewers_.push_back(this); }
  ~Viewer() { std::erase(server_.viewers_, this); }
  Viewer(const Viewer&) = delete;
  Viewer& operator=(const Viewer&) = delete;

  // Nothing, once it has its last one: the others that look still get theirs.
  void put(Frame frame) {
    if (ended_) return;
    if (!frames.try_put(std::move(frame)) && group) group->cancel();
  }
  void put(std::string frame) { put(std::make_shared<const std::string>(std::move(frame))); }
  // After a close frame no other may follow.
  void end(std::string close_frame) {
    put(std::move(close_frame));
    end();
  }
  void end() {
    ended_ = true;
    frames.close();  // what is left is sent
  }

  Queue<Frame> frames{frames_kept};
  TaskGroup* group = nullptr;

 private:
  PageServer& server_;
  bool ended_ = false;
};

PageServer::PageServer(Options options)
    : options_(std::move(options)),
      etag_(fmt::format("\"{:016x}\"", std::hash<std::string_view>()(options_.page))) {}

void PageServer::tell(const Json& message) {
  if (viewers_.empty()) return;
  const auto frame = std::make_shared<const std::string>(frame_of(message));
  for (Viewer* const viewer : viewers_) viewer->put(frame);
}

PageServer::Answer PageServer::answer(const proto::Request& request) const {
  if (request.path == "/ws" && request.method == "GET") return answer_handshake(request);
  if (std::string refused = proto::refuse_method(request); !refused.empty()) return {refused};
  if (!proto::host_allowed(request.header("Host").value_or("127.0.0.1"), options_.host_names)) {
    return {proto::text_response(
        request, 403, "this page is not known by that name: start it with --host NAME\n")};
  }
  if (request.path != "/") return {proto::text_response(request, 404, "not found\n")};
  return {proto::page_response(request, {"text/html; charset=utf-8", options_.page, etag_},
                               options_.policy)};
}

PageServer::Answer PageServer::answer_handshake(const proto::Request& request) const {
  const auto key = proto::check_upgrade(request);
  if (!key) return {proto::refusal_response(key.error())};
  if (!proto::origin_allowed(request, options_.host_names) ||
      !proto::host_allowed(request.header("Host").value_or(""), options_.host_names)) {
    return {proto::error_response({403, "a page of another site may not turn the dials"})};
  }
  return {proto::upgrade_response(*key), true};
}

Task<> PageServer::serve(Io& io, Stream stream) {
  proto::RequestParser parser;
  std::string rest;
  {
    CancelScope waiting(io, patience);
    auto progress = proto::RequestParser::Progress::need_more;
    while (progress == proto::RequestParser::Progress::need_more) {
      auto chunk = co_await stream.receive();
      if (!chunk || chunk->empty()) co_return;
      const auto step = parser.feed(chunk->bytes());
      progress = step.progress;
      rest = chunk->text().substr(step.consumed);
    }
  }
  Answer reply;
  if (parser.error().status != 0) {
    reply.bytes = proto::error_response(parser.error());
  } else {
    proto::Request request = parser.take_request();
    request.keep_alive = false;
    reply = answer(request);
  }
  {
    CancelScope waiting(io, patience);
    auto sent = co_await stream.send_all(reply.bytes);
    if (!sent) co_return;
  }
  if (reply.upgraded) co_await converse(io, stream, std::move(rest));
  (void)co_await stream.finish();
}

Task<> PageServer::converse(Io& io, Stream& stream, std::string rest) {
  Viewer viewer(*this);
  for (const Json& message : options_.greeting()) viewer.put(frame_of(message));
  auto both = [&](TaskGroup& group) -> Task<> {
    viewer.group = &group;
    if (group.spawn(write_frames, io, stream, viewer)) {
      co_await read_frames(io, stream, viewer, std::move(rest));
    }
    viewer.end();
  };
  co_await with_task_group(io, both);
}

Task<> PageServer::write_frames(Io& io, Stream& stream, Viewer& viewer) {
  for (;;) {
    auto frame = co_await viewer.frames.get(io);
    if (!frame) co_return;
    CancelScope waiting(io, patience);
    auto sent = co_await stream.send_all(std::string_view(**frame));
    if (sent) continue;
    viewer.group->cancel();
    co_return;
  }
}

Task<> PageServer::read_frames(Io& io, Stream& stream, Viewer& viewer, std::string rest) {
  using Kind = proto::WebSocketEvent::Kind;
  proto::WebSocketReader reader(proto::WebSocketReader::Role::server, longest_message);
  std::string bytes = std::move(rest);
  for (;;) {
    reader.feed(std::as_bytes(std::span(bytes)));
    while (auto event = reader.next()) {
      switch (event->kind) {
        case Kind::message: try { options_.obey(event->payload);
          } catch (const std::invalid_argument& error) {
            viewer.put(frame_of({{"type", "error"}, {"text", error.what()}}));
          }
          break;
        case Kind::ping: viewer.put(proto::encode_pong(event->payload)); break;
        case Kind::pong: break;
        case Kind::close: viewer.end(proto::encode_close(event->code)); co_return;
        case Kind::error: viewer.end(proto::encode_close(event->code, event->payload)); co_return;
      }
    }
    auto chunk = co_await stream.receive();
    if (!chunk || chunk->empty()) break;
    bytes = chunk->text();
  }
  if (io.draining()) viewer.end(proto::encode_close(proto::close_code::going_away));
}

}  // namespace polyio::lab
