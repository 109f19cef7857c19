// ThreadCrew: threads that serve one connection at a time, each with an Io of its own: either a
// thread per connection, which ends with it, or a pool of a fixed number that stay. A thread that
// is done serves the next connection that waits for a place before it rests.
#pragma once

#include <list>
#include <mutex>
#include <optional>
#include <polyio/os/thread_set.hpp>
#include <polyio/sync/queue.hpp>
#include <semaphore>

#include "single_connection.hpp"
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

  // Starts the pool. Throws std::system_error when not all of its threads can be had.
  void begin();
  // Serves a connection that has a place and counts with the owner. From the home Io only.
  void serve(os::UniqueFd socket);
  // Takes that step on all of their Ios, and on those to come. Thread-safe.
  void stop(Ending::Step step);
  // Joins all; they have no connection any more.
  void end();

 private:
  using Members = std::list<SingleConnection>;
  SingleConnection& add_member(Members& members);
  void serve_alone(os::UniqueFd socket);
  void run(SingleConnection& member, os::UniqueFd socket);
  Task<> work(SingleConnection& member, os::UniqueFd& socket, bool& serves);
  void refuse(os::UniqueFd socket, std::string_view why);

  ServerShared& shared_;
  WaitingRoom& room_;
  Owner& owner_;
  Io& home_;
  const std::optional<unsigned> pool_;
  Queue<os::UniqueFd> queue_;  // to the pool; never full, for a place is a free thread
  os::ThreadSet threads_;

  std::mutex mutex_;
  Members members_;                                   // those that have an Io now
  std::shared_ptr<std::counting_semaphore<>> begun_;  // while the pool begins
  std::exception_ptr failure_;                        // why it could not
  std::optional<Ending::Step> asked_;
};

}  // namespace polyio
