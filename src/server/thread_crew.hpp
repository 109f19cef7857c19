// ThreadCrew: threads that serve one connection at a time, each with an Io of its own. Either a
// thread per connection, which goes with it, or a pool of so many that stay. A thread that is done
// serves who waits for a place before it rests.
#pragma once

#include <list>
#include <mutex>
#include <optional>
#include <polyio/os/thread.hpp>
#include <polyio/sync/queue.hpp>
#include <semaphore>

#include "waiting_room.hpp"

namespace polyio {

class ThreadCrew {
 public:
  class Owner {
   public:
    virtual void connection_left() noexcept = 0;  // on the thread that served it

   protected:
    virtual ~Owner() = default;
  };
  // `pool`: how many threads there are; none: one per connection. `home` is their Ios' home.
  ThreadCrew(ServerShared& shared, WaitingRoom& room, Owner& owner, Io& home,
             std::optional<unsigned> pool);
  ~ThreadCrew();

  // Starts the pool. Throws std::system_error when there are not so many threads.
  void begin();
  // Serves a connection that has a place and counts with the owner. From the home Io only.
  void serve(os::UniqueFd socket);
  // Their Ios drain; cancel everything. Thread-safe.
  void drain();
  void cut();
  // Joins all; they have no connection any more.
  void end();

 private:
  struct Member {
    os::Thread thread;
    std::unique_ptr<Io> io;  // made before the thread that runs it, where there is a pool
    bool runs = false;       // its Io does; guarded by mutex_, as the next
    bool ended = false;
  };

  std::unique_ptr<Io> make_io();
  void run(Member& self, os::UniqueFd socket);
  Task<> work(Io& io, os::UniqueFd& socket, bool& serves);
  void reap(bool all);
  void refuse(os::UniqueFd socket, std::string_view why);

  ServerShared& shared_;
  WaitingRoom& room_;
  Owner& owner_;
  Io& home_;
  const std::optional<unsigned> pool_;
  Queue<os::UniqueFd> queue_;  // to the pool; never full, for a place is a free thread

  std::mutex mutex_;
  std::list<Member> members_;
  std::size_t ended_ = 0;
  std::counting_semaphore<>* begun_ = nullptr;  // while the pool begins
  std::exception_ptr failure_;                  // why it could not
  bool drained_ = false, cut_ = false;          // new members' Ios are, too
};

}  // namespace polyio
