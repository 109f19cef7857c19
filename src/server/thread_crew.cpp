#include "thread_crew.hpp"

#include <fmt/format.h>

namespace polyio {

ThreadCrew::ThreadCrew(ServerShared& shared, WaitingRoom& room, Owner& owner, Io& home,
                       std::optional<unsigned> pool)
    : shared_(shared),
      room_(room),
      owner_(owner),
      home_(home),
      pool_(pool),
      queue_(pool.value_or(1)) {
  for (unsigned i = 0; i < pool.value_or(0); ++i) add_member(members_);
}

ThreadCrew::~ThreadCrew() { end(); }

// Its time limits are the owner's, which asks for each step.
SingleConnection& ThreadCrew::add_member(Members& members) {
  SingleConnection& member = members.emplace_back(shared_, Nanoseconds::max());
  member.io().set_home(home_);
  return member;
}

void ThreadCrew::begin() {
  if (!pool_) return;
  // Shared, because a posted work may run when a thread that could not be started has ended this.
  const auto begun = std::make_shared<std::counting_semaphore<>>(0);
  begun_ = begun;
  try {
    unsigned number = 0;
    for (SingleConnection& member : members_) {
      member.io().post([begun] { begun->release(); });
      threads_.start(fmt::format("pool-{}", number), [this, &member] { run(member, {}); });
      ++number;
    }
    for (std::size_t i = 0; i < members_.size(); ++i) begun->acquire();
    const std::lock_guard lock(mutex_);
    begun_.reset();
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
  const int fd = socket.get();
  try {
    threads_.start("connection", [this, fd] { serve_alone(os::UniqueFd(fd)); });
    (void)socket.release();  // the thread's now
  } catch (const std::exception& error) {
    refuse(std::move(socket), fmt::format("no thread: {}", error.what()));
  }
}

void ThreadCrew::refuse(os::UniqueFd socket, std::string_view why) {
  shared_.refuse(std::move(socket), why);
  owner_.connection_left();
  while (auto next = room_.give_up_place()) shared_.refuse(std::move(*next), why);
}

// In a thread for one connection, which makes its own Io so that the loop need not. The Io goes
// once the lock is given up.
void ThreadCrew::serve_alone(os::UniqueFd socket) {
  Members self;
  try {
    add_member(self);
  } catch (const std::exception& error) {
    return refuse(std::move(socket), error.what());
  }
  const auto place = self.begin();
  {
    const std::lock_guard lock(mutex_);
    members_.splice(members_.end(), self);
    if (asked_) place->stop(*asked_);
  }
  run(*place, std::move(socket));
  const std::lock_guard lock(mutex_);
  self.splice(self.end(), members_, place);
}

void ThreadCrew::run(SingleConnection& member, os::UniqueFd socket) {
  bool serves = static_cast<bool>(socket);
  try {
    member.run(work(member, socket, serves));
  } catch (const std::exception& error) {
    if (serves) refuse(std::move(socket), error.what());
    const std::lock_guard lock(mutex_);
    if (!pool_ || !begun_) return;
    failure_ = std::current_exception();
    begun_->release();
  }
}

// `serves`: a connection has its place here, also once `socket` has been handed on.
Task<> ThreadCrew::work(SingleConnection& member, os::UniqueFd& socket, bool& serves) {
  for (;;) {
    while (serves) {
      try {
        co_await member.serve(std::exchange(socket, os::UniqueFd()));
      } catch (const std::bad_alloc& error) {  // a thread of a pool goes on
        shared_.refuse({}, error.what());
      }
      auto next = room_.give_up_place();
      serves = next.has_value();
      if (!serves) owner_.connection_left();
      if (serves) socket = std::move(*next);
    }
    if (!pool_) co_return;
    auto next = co_await queue_.get(member.io());
    if (!next) co_return;
    socket = std::move(*next);
    serves = true;
  }
}

void ThreadCrew::stop(Ending::Step step) {
  queue_.close();
  const std::lock_guard lock(mutex_);
  asked_ = step;
  for (SingleConnection& member : members_) member.stop(step);
}

void ThreadCrew::end() {
  queue_.close();
  threads_.join_all();
}

}  // namespace polyio
