#include <new>
#include <polyio/exec/join.hpp>
#include <polyio/exec/readable.hpp>
#include <polyio/io/socket_base.hpp>

namespace polyio {
namespace {

class ReadyAwaiter : public OpAwaiter {
 public:
  ReadyAwaiter(Io& io, Handle handle) noexcept : OpAwaiter(io), handle_(handle) {}
  bool await_ready() { return io_->begin(io_->prepare(OpKind::ready, handle_)); }
  Result<> await_resume() noexcept { return outcome(); }

 private:
  Handle handle_;
};

Result<Handle> watch(Io& io, int fd) try {
  return io.driver().watch(fd);
} catch (const std::bad_alloc&) {
  return fail(ENOMEM);
}

}  // namespace

Task<Result<>> readable(Io& io, int fd) {
  const auto handle = watch(io, fd);
  if (!handle) co_return fail(handle.error());
  const SocketBase watched(io, *handle);  // closes it
  ReadyAwaiter waiting(io, *handle);
  co_return co_await waiting;
}

Task<Result<>> process::join(Io& io, Process& process) {
  for (;;) {
    auto watch = process.watch();
    if (!watch) co_return fail(watch.error());
    const int pidfd = (*watch)->fd();
    if (pidfd < 0) co_return Result<>();
    auto ended = co_await readable(io, pidfd);
    if (!ended) co_return ended;
  }
}

}  // namespace polyio
