// prefork: so many processes, made before anybody connects. Under a model that waits for many
// connections each runs a loop and accepts on the shared listening socket. Under model blocking
// each serves one connection at a time, and the supervisor accepts and hands over (SCM_RIGHTS),
// because a process that sits in a call can neither queue nor refuse anybody.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <polyio/os/socket.hpp>
#include <polyio/process/back_off.hpp>
#include <vector>

#include "dials.hpp"
#include "solo.hpp"
#include "supervisor.hpp"

namespace polyio {
namespace {

// What is said on a channel. By the supervisor: a connection. By a worker:
constexpr char word_connection = 'c', word_ready = 'r', word_served = 's';

class Prefork final : public Supervisor {
 public:
  Prefork(ServerShared& shared, os::UniqueFd listener)
      : Supervisor(shared, std::move(listener), workers_are_places(shared.options),
                   {.places = 0, .waiting = shared.options.max_waiting}),
        hands_over_(workers_are_places(shared.options)),
        posts_(shared.options.workers) {}

 private:
  // One of the workers that there shall be.
  struct Post {
    std::uint64_t worker = 0;    // who holds it; 0: nobody
    std::uint64_t follower = 0;  // takes over once it is ready (reload)
    process::BackOff back_off;
    Deadline replace_at = never;
  };
  struct Work {
    std::size_t seat = 0;
    bool busy = false, idle = false;  // hands_over_
  };

  void begin() override;
  // Each worker was ready once, or could not be: who comes at the start is not turned away.
  bool begun() const override { return settled_ >= posts_.size(); }
  void serve(os::UniqueFd socket) override;
  void heard(Child& child, char word) override;
  void ended(Child& child) override;
  void reload() override;
  Deadline next_deadline() const override;
  void time_passed() override;

  std::uint64_t start(std::size_t post);
  int run_child(std::size_t seat, os::UniqueFd channel);
  int run_loop(std::size_t seat, os::UniqueFd channel);
  int run_solo(os::UniqueFd channel);
  std::optional<std::size_t> free_seat(std::size_t post) const;
  void ready(Child& child);
  void set_idle(Child& child);
  void count_places();
  void drop_place();
  void replace_later(Post& post, Nanoseconds lived);

  const bool hands_over_;
  std::vector<Post> posts_;
  std::map<std::uint64_t, Work> works_;
  std::size_t settled_ = 0;
};

void Prefork::begin() {
  for (std::size_t i = 0; i < posts_.size(); ++i) posts_[i].worker = start(i);
}

// A loop counts on a seat of its own, so that what it counted can be taken back when it crashes.
// Those of one post have the same share of the ceiling.
std::optional<std::size_t> Prefork::free_seat(std::size_t post) const {
  for (std::size_t seat = post; seat < shared_.seats().size(); seat += posts_.size()) {
    const bool taken = std::ranges::any_of(
        works_, [seat](const auto& entry) { return entry.second.seat == seat; });
    if (!taken) return seat;
  }
  return std::nullopt;
}

// The new worker's id; 0: none can be had now, and it is tried again later.
std::uint64_t Prefork::start(std::size_t post) {
  posts_[post].replace_at = never;
  const auto seat = free_seat(post);
  std::error_code error = std::make_error_code(std::errc::device_or_resource_busy);
  Child* child = nullptr;
  if (seat) {
    const auto body = [&](os::UniqueFd channel) { return run_child(*seat, std::move(channel)); };
    child = fork(body, true, error);
  }
  if (!child) {
    shared_.log(fmt::format("a worker can't be started: {}", error.message()));
    ++settled_;
    replace_later(posts_[post], Nanoseconds::zero());
    return 0;
  }
  works_[child->id].seat = *seat;
  return child->id;
}

void Prefork::replace_later(Post& post, Nanoseconds lived) {
  const Nanoseconds delay = post.back_off.after_crash(lived);
  post.replace_at = monotonic_now() + delay;
  shared_.log(fmt::format("it is replaced in {} ms", delay / std::chrono::milliseconds(1)));
}

Deadline Prefork::next_deadline() const {
  Deadline next = never;
  if (stopping()) return next;
  for (const Post& post : posts_) next = std::min(next, post.replace_at);
  return next;
}

void Prefork::time_passed() {
  for (std::size_t i = 0; i < posts_.size(); ++i) {
    Post& post = posts_[i];
    if (post.replace_at > monotonic_now()) continue;
    (find(post.worker) ? post.follower : post.worker) = start(i);
  }
}

// --- in the worker ---

int Prefork::run_child(std::size_t seat, os::UniqueFd channel) {
  try {
    return hands_over_ ? run_solo(std::move(channel)) : run_loop(seat, std::move(channel));
  } catch (const std::exception& error) {
    shared_.log(fmt::format("a worker failed: {}", error.what()));
    return 70;
  }
}

int Prefork::run_loop(std::size_t seat, os::UniqueFd channel) {
  std::vector<os::UniqueFd> listeners;  // no copy stays: the port closes with the last one
  listeners.push_back(take_listener());
  const auto loop = make_loops(shared_, std::move(listeners), shared_.seats()[seat]);
  const ChildSignals signals([&loop](Stop how) { loop->stop(how); });
  loop->run([&] { (void)os::send_message(channel.get(), word_ready); });
  return 0;
}

int Prefork::run_solo(os::UniqueFd channel) {
  Solo solo(shared_, shared_.new_driver());
  const ChildSignals signals([&](Stop how) {
    solo.stop(how);
    (void)os::shutdown(channel.get(), SHUT_RD);  // what was sent before is still served
  });
  char word = word_ready;
  for (;;) {
    if (!os::send_message(channel.get(), word)) return 0;  // the supervisor is gone
    auto message = os::receive_message(channel.get(), true);
    if (!message || message->byte != word_connection) return 0;
    solo.run(solo.serve_socket(std::move(message->descriptor)));
    word = word_served;
  }
}

// --- in the supervisor ---

void Prefork::heard(Child& child, char word) {
  if (word == word_ready) return ready(child);
  Work& work = works_[child.id];
  if (word != word_served || !work.busy) return;
  work.busy = false;
  if (child.asked_to_end) return drop_place();
  if (auto next = room_.give_up_place()) {
    work.busy = true;
    const auto sent = os::send_message(child.channel.get(), word_connection, next->get());
    if (!sent) shared_.refuse(std::move(*next), sent.error().message());
    return;
  }
  set_idle(child);
}

void Prefork::ready(Child& child) {
  ++settled_;
  for (Post& post : posts_) {
    if (post.follower != child.id) continue;
    post.follower = 0;
    if (Child* const before = find(post.worker)) {
      works_[before->id].idle = false;
      retire(*before);
    }
    post.worker = child.id;
    post.replace_at = never;
  }
  if (hands_over_) set_idle(child);
}

void Prefork::set_idle(Child& child) {
  works_[child.id].idle = true;
  count_places();
  if (auto next = room_.next()) serve(std::move(*next));
}

// As many connections have a place as are served, or can be by an idle worker.
void Prefork::count_places() {
  if (!hands_over_) return;
  const auto idle =
      std::ranges::count_if(works_, [](const auto& entry) { return entry.second.idle; });
  room_.set_places(room_.active() + static_cast<std::size_t>(idle));
}

void Prefork::serve(os::UniqueFd socket) {
  for (auto& [id, work] : works_) {
    Child* const child = work.idle ? find(id) : nullptr;
    if (!child) continue;
    work.idle = false;
    if (!os::send_message(child->channel.get(), word_connection, socket.get())) continue;  // dying
    work.busy = true;
    return;
  }
  shared_.refuse(std::move(socket), "no worker could take it");
  drop_place();
}

// Nobody takes the place: its worker goes.
void Prefork::drop_place() {
  room_.set_places(0);
  (void)room_.give_up_place();
  count_places();
}

void Prefork::ended(Child& child) {
  const Work work = works_[child.id];
  works_.erase(child.id);
  if (hands_over_) {
    if (work.busy) drop_place();
    count_places();
  } else {
    shared_.seats()[work.seat].active.store(0);
    shared_.seats()[work.seat].waiting.store(0);
  }
  ++settled_;
  if (stopping()) return;
  const Nanoseconds lived = monotonic_now() - child.born;
  for (Post& post : posts_) {
    if (post.follower == child.id) {
      post.follower = 0;
      shared_.log("a new worker ended before it was ready; the old one stays");
      if (!find(post.worker)) replace_later(post, lived);
    } else if (post.worker == child.id) {
      post.worker = 0;
      if (post.follower == 0) replace_later(post, lived);
    }
  }
}

// First the new one, and the old one goes once that accepts; the listening socket is open all the
// time, so a connection waits in its queue at worst. (Sockets of their own, SO_REUSEPORT, have a
// queue each: who waits in that of a worker that goes is reset.)
void Prefork::reload() {
  shared_.log("SIGHUP: replacing the workers");
  for (std::size_t i = 0; i < posts_.size(); ++i) {
    Post& post = posts_[i];
    if (post.follower != 0) continue;  // being replaced already
    if (post.worker == 0) {
      post.worker = start(i);
    } else {
      post.follower = start(i);
    }
  }
}

}  // namespace

std::unique_ptr<Architecture> make_prefork(ServerShared& shared, os::UniqueFd listener) {
  return std::make_unique<Prefork>(shared, std::move(listener));
}

}  // namespace polyio
