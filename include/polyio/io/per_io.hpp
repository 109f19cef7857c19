// PerIo: an object for each Io, such as a connection pool or a cache for each loop of a server. The
// rule: it is made, used and destroyed on its Io's thread: made when a task there first asks for
// it, destroyed at the end of that Io's run(), when all its tasks have ended. So it needs no lock
// and can't outlive what it stands on. Under architectures that give a connection an Io of its own
// (thread-per-connection, process-per-connection) each connection has its own object, a thread of a
// pool has one for all that it serves (docs/beside-handlers.md).
#pragma once

#include <functional>
#include <memory>
#include <polyio/io/io.hpp>

namespace polyio {

template <class T>
class PerIo {
 public:
  // `make` is called on the threads of the Ios, maybe of several at once.
  explicit PerIo(std::function<std::unique_ptr<T>(Io&)> make) : make_(std::move(make)) {}
  PerIo(const PerIo&) = delete;
  PerIo& operator=(const PerIo&) = delete;

  // That Io's. By its tasks. Throws what making it throws, and makes it anew with the next call.
  T& of(Io& io) {
    if (void* const there = io.kept(id_)) return *static_cast<T*>(there);
    std::shared_ptr<T> made = make_(io);
    T& object = *made;
    io.keep(id_, std::move(made));
    return object;
  }

 private:
  const std::uint64_t id_ = Io::new_kept_id();
  const std::function<std::unique_ptr<T>(Io&)> make_;
};

}  // namespace polyio
