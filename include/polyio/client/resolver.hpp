// Resolver: looks names up without blocking a loop: getaddrinfo(3) runs on the resolver's own
// threads. The rule: a cancel or a deadline ends the wait at once; a lookup that has begun goes on
// in the background with state of its own, and its answer is dropped. Thread-safe, for tasks of any
// Io and model.
#pragma once

#include <cstdint>
#include <functional>
#include <polyio/exec/thread_pool.hpp>
#include <polyio/os/resolve.hpp>
#include <string>
#include <vector>

namespace polyio {

struct ResolverOptions {
  // Concurrent lookups, abandoned ones included: a name server that does not answer occupies a
  // thread for 10 s and more (resolv.conf(5)). They are nicer than the loops, by 10, because they
  // may be more than there are cores.
  unsigned threads = 16;
  std::size_t queue = 4096;  // lookups that wait for a thread; one more fails with EAGAIN
  // The lookup itself; replace it in tests, or to use another name service. Called from several
  // threads.
  std::function<Result<std::vector<os::Address>>(const std::string& host, std::uint16_t port)>
      lookup = os::resolve;
};

class Resolver {
 public:
  explicit Resolver(ResolverOptions options = {});
  // Waits for the lookups that have begun.
  ~Resolver() = default;
  // The process's own, which asks the system. Never destroyed, so no lookup delays the process's
  // end.
  static Resolver& shared();

  // `auto addresses = co_await resolver.resolve(io, host, port);` - the addresses of `host`, at
  // least one, in the order to try them in; a numeric address takes no thread. Errors: those of
  // os::resolve_category(), EAGAIN, those of the scope.
  Task<Result<std::vector<os::Address>>> resolve(Io& io, std::string host, std::uint16_t port);

  const ThreadPoolExecutor& pool() const noexcept { return *pool_; }

 private:
  struct Immortal {};
  Resolver(ResolverOptions options, Immortal);

  std::function<Result<std::vector<os::Address>>(const std::string&, std::uint16_t)> lookup_;
  std::unique_ptr<ThreadPoolExecutor> own_;  // destroyed first: its threads use lookup_
  ThreadPoolExecutor* pool_;
};

// With Resolver::shared().
inline auto resolve(Io& io, std::string host, std::uint16_t port) {
  return Resolver::shared().resolve(io, std::move(host), port);
}

}  // namespace polyio
