#include "thread_crew.hpp"

#include <fmt/format.h>

#include <polyio/os/signals.hpp>

#include "surely.hpp"

namespace polyio {

using namespace std::chrono_literals;

ThreadCrew::ThreadCrew(ServerShared& shared, WaitingRoom& room, Owner& owner, Io& home,
                       std::optional<unsigned> pool)
    : shared_(shared),
      room_(room),
      owner_(owner),
      home_(home),
      pool_(pool),
      queue_(pool.value_or(1)) {
  for (unsigned i = 0; i < pool.value_or(0); ++i) members_.emplace_back().io = make_io();
}

ThreadCrew::~ThreadCrew() { end(); }

// Throws when descriptors or memory run out.
std::unique_ptr<Io> ThreadCrew::make_io() {
  auto io = std::make_unique<Io>(shared_.new_driver());
  io->set_home(home_);
  if (shared_.options.idle_timeout > 0ns) io->set_idle_timeout(shared_.options.idle_timeout);
  io->set_spin(shared_.options.spin);
  return io;
}

void ThreadCrew::begin() {
  if (!pool_) return;
  std::counting_semaphore<> begun(0);
  begun_ = &begun;
  try {
    unsigned number = 0;
    for (Member& member : members_) {
      member.io->post([&begun] { begun.release(); });
      member.thread = os::Thread([this, &member, number] {
        os::name_thread(fmt::format("pool-{}", number).c_str());
        run(member, {});
      });
      ++number;
    }
    for (std::size_t i = 0; i < members_.size(); ++i) begun.acquire();
    const std::lock_guard lock(mutex_);
    begun_ = nullptr;
    if (failure_) std::rethrow_exception(failure_);
  } catch (...) {
    end();
    throw;
  }
}

void ThreadCrew::serve(os::UniqueFd socket) {
  if (pool_) {
    auto& kept = socket;  // when it can't be pushed, it is as it was
    if (!queue_.try_put(std::move(socket))) refuse(std::move(kept), "the pool has ended");
    return;
  }
  reap(false);
  const std::lock_guard lock(mutex_);
  std::list<Member> added;
  int fd = socket.get();
  try {
    Member& self = added.emplace_back();
    self.thread = os::Thread([this, &self, fd] {
      os::name_thread("connection");
      run(self, os::UniqueFd(fd));
    });
    (void)socket.release();  // the thread's now
    members_.splice(members_.end(), added);
  } catch (const std::exception& error) {
    refuse(std::move(socket), fmt::format("no thread: {}", error.what()));
  }
}

void ThreadCrew::refuse(os::UniqueFd socket, std::string_view why) {
  shared_.refuse(std::move(socket), why);
  owner_.connection_left();
  while (auto next = room_.give_up_place()) shared_.refuse(std::move(*next), why);
}

void ThreadCrew::run(Member& self, os::UniqueFd socket) {
  bool serves = static_cast<bool>(socket);
  try {
    if (!self.io) {
      auto io = make_io();
      const std::lock_guard lock(mutex_);
      self.io = std::move(io);
    }
    Io& io = *self.io;
    {
      const std::lock_guard lock(mutex_);
      self.runs = true;
      if (drained_) io.post([&io] { io.drain(); });
      if (cut_) io.post([&io] { io.cancel_all(); });
    }
    io.run(work(io, socket, serves));
  } catch (const std::exception& error) {
    if (serves) refuse(std::move(socket), error.what());
    const std::lock_guard lock(mutex_);
    if (pool_ && begun_) {
      failure_ = std::current_exception();
      begun_->release();
    }
  }
  std::unique_ptr<Io> io;  // goes when the lock is given up
  const std::lock_guard lock(mutex_);
  self.runs = false;
  if (!pool_) io = std::move(self.io);
  self.ended = true;
  ++ended_;
}

// `serves`: a connection has its place here, also once `socket` has been handed on.
Task<> ThreadCrew::work(Io& io, os::UniqueFd& socket, bool& serves) {
  for (;;) {
    while (serves) {
      try {
        co_await serve_connection(shared_, io, std::exchange(socket, os::UniqueFd()));
        shared_.admitted();
      } catch (const std::bad_alloc& error) {  // a thread of a pool goes on
        shared_.refuse({}, error.what());
      }
      auto next = room_.give_up_place();
      serves = next.has_value();
      if (!serves) owner_.connection_left();
      if (serves) socket = std::move(*next);
    }
    if (!pool_) co_return;
    auto next = co_await queue_.get(io);
    if (!next) co_return;
    socket = std::move(*next);
    serves = true;
  }
}

void ThreadCrew::drain() {
  queue_.close();
  const std::lock_guard lock(mutex_);
  drained_ = true;
  for (Member& member : members_) {
    Io* const io = member.io.get();
    if (member.runs) surely([io] { io->post([io] { io->drain(); }); });
  }
}

void ThreadCrew::cut() {
  const std::lock_guard lock(mutex_);
  cut_ = true;
  for (Member& member : members_) {
    Io* const io = member.io.get();
    if (member.runs) surely([io] { io->post([io] { io->cancel_all(); }); });
  }
}

void ThreadCrew::end() {
  queue_.close();
  reap(true);
}

void ThreadCrew::reap(bool all) {
  std::list<Member> ended;
  {
    const std::lock_guard lock(mutex_);
    if (!all && ended_ == 0) return;
    ended_ = 0;
    for (auto it = members_.begin(); it != members_.end();) {
      auto next = std::next(it);
      if (all || it->ended) ended.splice(ended.end(), members_, it);
      it = next;
    }
  }
  for (Member& member : ended) member.thread.join();
}

}  // namespace polyio
