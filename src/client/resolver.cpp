#include <polyio/client/resolver.hpp>

namespace polyio {
namespace {

ThreadPoolOptions pool_options(const ResolverOptions& options) {
  return {.threads = options.threads, .queue = options.queue, .name = "resolver", .nice = 10};
}

// An address that is one already: no name server is asked.
Result<os::Address> numeric(const std::string& host, std::uint16_t port) {
  if (host == "localhost" || host == "*" || host.empty()) return fail(EINVAL);
  const std::string text = host.contains(':') ? "[" + host + "]" : host;
  return os::Address::parse(text + ":" + std::to_string(port));
}

}  // namespace

Resolver::Resolver(ResolverOptions options)
    : lookup_(std::move(options.lookup)),
      own_(std::make_unique<ThreadPoolExecutor>(pool_options(options))),
      pool_(own_.get()) {}

Resolver::Resolver(ResolverOptions options, Immortal)
    : lookup_(std::move(options.lookup)),
      pool_(&ThreadPoolExecutor::immortal(pool_options(options))) {}

Resolver& Resolver::shared() {
  static Resolver& resolver = *new Resolver({}, Immortal{});
  return resolver;
}

Task<Result<std::vector<os::Address>>> Resolver::resolve(Io& io, std::string host,
                                                         std::uint16_t port) {
  if (auto address = numeric(host, port)) co_return std::vector<os::Address>(1, *address);
  auto future =
      pool_->try_submit([this, host = std::move(host), port] { return lookup_(host, port); });
  if (!future) co_return fail(future.error());
  auto found = co_await std::move(*future).result(io);
  // One whose task has left goes on by itself, if it has begun.
  if (!found) (void)future->cancel();
  co_return found;
}

}  // namespace polyio
