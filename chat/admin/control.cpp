#include "control.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <polyio/exec/offload.hpp>
#include <polyio/io/task_group.hpp>

#include "admin.hpp"

namespace polyio::chat {
namespace {

constexpr std::size_t longest_request = 16 * 1024;
constexpr Nanoseconds patience_of_client = std::chrono::seconds(10);

bool may_ask(const Stream& stream) {
  ucred peer{};
  socklen_t size = sizeof peer;
  const int fd = stream.descriptor();
  return ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
         (peer.uid == 0 || peer.uid == ::geteuid());
}

Task<> answer(Chat& chat, Stream stream) {
  Io& io = stream.io();
  CancelScope patience(io, patience_of_client);
  std::string request;
  while (!request.ends_with('\n')) {
    auto chunk = co_await stream.receive();
    if (!chunk || chunk->empty() || request.size() > longest_request) co_return;
    request += chunk->text();
  }
  std::string text = "error\nonly the user that runs the server, and root, may do that";
  if (may_ask(stream)) {
    const auto work = [&] { return administer(chat, request); };
    auto done = co_await offload(io, chat.passwords(), work);
    if (!done) {
      text = "error\nthe server is busy: try again";
    } else {
      text = *done ? "ok\n" + **done : "error\n" + (*done).error();
    }
  }
  (void)co_await stream.send_all(text);
}

Task<> accept_all(Chat& chat, Listener& listener, TaskGroup& group) {
  for (;;) {
    auto stream = co_await listener.accept();
    if (stream) {
      (void)group.spawn(answer, chat, std::move(*stream));
      continue;
    }
    if (stream.error() == std::errc::operation_canceled) co_return;
    auto slept = co_await listener.io().sleep(std::chrono::seconds(1));  // no descriptor is left
    if (!slept) co_return;
  }
}

}  // namespace

BackgroundTask control(Chat& chat, std::string path) {
  return [&chat, path = std::move(path)](Background& background) -> Task<> {
    if (background.index() != 0) co_return;
    Io& io = background.io();
    const auto address = os::Address::parse("unix:" + path);
    auto listener = address ? io.listen(*address, 16) : Result<Listener>(fail(address.error()));
    if (!listener) {
      co_return chat.log({fmt::format("{}: {}: polyio chat user and room can't reach this server",
                                      path, listener.error().message()),
                          LogLevel::warning});
    }
    auto serve = [&](TaskGroup& group) -> Task<> {
      bool goes_on = group.spawn(accept_all, chat, *listener, group).has_value();
      while (goes_on) {
        const bool later = co_await background.pause(std::chrono::hours(1));
        goes_on = later;
      }
      group.cancel();
    };
    co_await with_task_group(io, serve);
    ::unlink(path.c_str());
  };
}

}  // namespace polyio::chat
