#include <exception>
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

// One lookup; shared by the task that waits for it and the thread that runs it.
class Resolver::Call final : public ThreadPool::Work {
 public:
  Call(const Resolver& owner, std::string host, std::uint16_t port)
      : owner_(owner), host_(std::move(host)), port_(port) {}
  Result<std::vector<os::Address>> take() {
    if (exception_) std::rethrow_exception(std::exchange(exception_, nullptr));
    return std::move(answer_);
  }

 private:
  void run() noexcept override {
    try {
      answer_ = owner_.lookup_(host_, port_);
    } catch (...) {
      exception_ = std::current_exception();
    }
  }

  const Resolver& owner_;
  const std::string host_;
  const std::uint16_t port_;
  Result<std::vector<os::Address>> answer_;
  std::exception_ptr exception_;
};

Resolver::Resolver(ResolverOptions options)
    : lookup_(std::move(options.lookup)),
      own_(std::make_unique<ThreadPool>(pool_options(options))),
      pool_(own_.get()) {}

Resolver::Resolver(ResolverOptions options, Immortal)
    : lookup_(std::move(options.lookup)), pool_(&ThreadPool::immortal(pool_options(options))) {}

Resolver& Resolver::shared() {
  static Resolver& resolver = *new Resolver({}, Immortal{});
  return resolver;
}

Task<Result<std::vector<os::Address>>> Resolver::resolve(Io& io, std::string host,
                                                         std::uint16_t port) {
  if (auto address = numeric(host, port)) co_return std::vector<os::Address>(1, *address);
  auto call = std::make_shared<Call>(*this, std::move(host), port);
  auto ran = co_await pool_->run_shared(io, call);
  if (!ran) co_return fail(ran.error());
  co_return call->take();
}

}  // namespace polyio
